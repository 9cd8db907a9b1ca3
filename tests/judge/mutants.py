"""Bugs to plant into copies of the filter, one after another, and how to build each copy: the corpus must notice
every one."""

import collections
import os
import shlex
import shutil
import subprocess

# `old` stands exactly once in `file` (a path below src/) and becomes `new`.
Mutant = collections.namedtuple("Mutant", "row name file old new")

SOURCES = ("src/proto/filter.c", "src/proto/eth.c", "src/common/counters.c", "src/common/mac.c")
HARNESS = "tests/judge/verdicts.c"
class Stale(Exception):
    """A mutant does not fit the source any more, or cannot be built."""


def build(source, folder, name, mutant=None):
    """Compiles the filter, with the mutant's bug if there is one, and returns the program's path."""
    place = os.path.join(folder, name)
    files = []
    for path in SOURCES:
        copy = os.path.join(place, path)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copyfile(os.path.join(source, path), copy)
        files.append(copy)
    if mutant:
        plant(os.path.join(place, mutant.file), mutant)
    program = os.path.join(place, "verdicts")
    compiler = shlex.split(os.environ.get("CC") or "cc")
    done = subprocess.run([*compiler, "-std=gnu11", "-O1", "-w", "-D_GNU_SOURCE", "-I", os.path.join(source, "src"),
                           "-o", program, *files, os.path.join(source, HARNESS)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    if done.returncode:
        raise Stale(f"{name} was not built:\n{done.stdout.decode(errors='replace')}")
    return program


def plant(path, mutant):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(mutant.old) != 1:
        raise Stale(f"stale mutant: {text.count(mutant.old)} times in {mutant.file}: {mutant.old!r}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(mutant.old, mutant.new))


def _filter(row, name, old, new):
    return Mutant(row, name, "src/proto/filter.c", old, new)


def _eth(row, name, old, new):
    return Mutant(row, name, "src/proto/eth.c", old, new)


MUTANTS = (
    _filter("FILTER-1", "a group source is fine", "sl_mac_is_multicast(&eth->src) || ", ""),
    _filter("FILTER-1", "a zero source is fine", " || sl_mac_is_zero(&eth->src)", ""),
    _filter("FILTER-1", "only of remotes", "if ((sl_mac_is_multicast(&eth->src)",
            "if (remote && (sl_mac_is_multicast(&eth->src)"),

    _filter("FILTER-2", "any source is the sender's", "!sl_mac_equal(&eth->src, input->announced)", "false"),
    _filter("FILTER-2", "only the first bytes are compared", "!sl_mac_equal(&eth->src, input->announced)",
            "memcmp(eth->src.b, input->announced->b, 4) != 0"),

    _filter("FILTER-3", "20 to 2f are left out", "(last & 0xd0) == 0", "(last & 0xf0) == 0"),
    _filter("FILTER-3", "0f is left out", "(last & 0xd0) == 0", "(last & 0xd0) == 0 && last != 0x0f"),
    _filter("FILTER-3", "10 to 1f too", "(last & 0xd0) == 0", "(last & 0xc0) == 0"),
    _filter("FILTER-3", "PVST+ is left out", "(last == 0xcc || last == 0xcd)", "last == 0xcc"),
    _filter("FILTER-3", "Cisco's tunnelled control frames are left out", "(last == 0xcd || last == 0xd0)",
            "last == 0xcd"),
    _filter("FILTER-3", "no MAC control", "	case 0x8808:", "	case 0xfffe:"),
    _filter("FILTER-3", "no Realtek control", "	case 0x8899:", "	case 0xfffe:"),
    _filter("FILTER-3", "no CGMP", "last == 0xdd", "last == 0xde"),
    _filter("FILTER-3", "no LLDP", "	case 0x88cc:", "	case 0xfffe:"),
    _filter("FILTER-3", "no EAPOL", "	case 0x888e:", "	case 0xfffe:"),
    _filter("FILTER-3", "no loop test", "	case 0x9000:", "	case 0xfffe:"),
    _filter("FILTER-3", "the type in front of the tags counts", "type_is_switch_control(view->protocol)",
            "(eth->tags == 0 && type_is_switch_control(view->protocol))"),
    _filter("FILTER-3", "the group bit of DSAP counts", "(len > 0 && (llc[0] & 0xfe) == 0x42)",
            "(len > 0 && llc[0] == 0x42)"),
    _filter("FILTER-3", "SSAP is not looked at", " || (len > 1 && (llc[1] & 0xfe) == 0x42)", ""),
    _filter("FILTER-3", "a length of 1 hides DSAP", "(len > 0 && (llc[0]", "(len > 1 && (llc[0]"),
    _filter("FILTER-3", "a cut LLC hides its destination",
            "	whole = look_inside(view, &for_switches);\n",
            "	whole = look_inside(view, &for_switches);\n	if (!whole && !remote)\n		return SL_DROP_NONE;\n"),
    _filter("FILTER-3", "only of remotes", "	if ((for_switches || destination",
            "	if (remote && (for_switches || destination"),
    _filter("FILTER-3", "SNAP: no CDP", "	case 0x2000:", "	case 0xfffe:"),
    _filter("FILTER-3", "SNAP: no VTP", "	case 0x2003:", "	case 0xfffe:"),
    _filter("FILTER-3", "SNAP: Cisco's OUI is not known", '"\\x00\\x00\\x0c"', '"\\x00\\x00\\x0d"'),

    _filter("FILTER-4", "tags pass", "view->eth.tags > 0 || ", ""),
    _filter("FILTER-4", "a priority is no tag", "view->eth.tags > 0 || ",
            "(view->eth.tags > 0 && (view->eth.outer_tci & 0x0fff) != 0) || "),
    _filter("FILTER-4", "SNAP: tags pass", " || leads_into_vlan(view->protocol)", ""),
    _filter("FILTER-4", "no VN-Tag", " || type == 0x8926", ""),
    _eth("FILTER-4", "no 802.1ad", " || type == SL_ETHERTYPE_QINQ", ""),
    _eth("FILTER-4", "no 0x9200", " || type == 0x9200", ""),

    _filter("FILTER-5", "source 67 passes", "from == 67 || ", ""),
    _filter("FILTER-5", "destination 68 passes", "from == 67 || to == 68", "from == 67"),
    _filter("FILTER-5", "DHCP clients are dropped", "from == 67 ||", "to == 67 ||"),
    _filter("FILTER-5", "BOOTP replies to relay agents pass", "[UDP_HEADER] == 2 ?", "[UDP_HEADER] == 255 ?"),
    _filter("FILTER-5", "BOOTP requests to servers are dropped", "[UDP_HEADER] == 2 ?", "[UDP_HEADER] <= 2 ?"),
    _filter("FILTER-5", "a first fragment hides BOOTP's op",
            "	if (to != 67)\n		return SL_DROP_NONE;\n	if (view->transport_len <= UDP_HEADER)\n"
            "		return SL_DROP_HEADER_CHAIN;\n",
            "	if (to != 67 || view->transport_len <= UDP_HEADER)\n		return SL_DROP_NONE;\n"),
    _filter("FILTER-5", "IPv4 options are not skipped", "set_transport(view, type, ip + header, total - header,",
            "set_transport(view, type, ip + IPV4_HEADER, total - IPV4_HEADER,"),
    _filter("FILTER-5", "ICMPv4 redirects pass", "transport[0] == 5)", "transport[0] == 255)"),
    _filter("FILTER-5", "ICMPv4 router advertisements pass", "transport[0] == 9 ?", "transport[0] == 255 ?"),
    _filter("FILTER-5", "IGMP queries pass", "transport[0] == 0x11 ?", "transport[0] == 0xff ?"),
    _filter("FILTER-5", "IGMP reports are dropped", "transport[0] == 0x11 ?", "transport[0] >= 0x11 ?"),
    _filter("FILTER-5", "a first fragment is not judged", "(sl_get16(ip + 6) & 0x1fff) != 0",
            "(sl_get16(ip + 6) & 0x3fff) != 0"),
    _filter("FILTER-5", "SNAP: IP inside is not judged", "	view->protocol = sl_get16(snap + 3);\n",
            "	view->protocol = 0;\n"),
    _filter("FILTER-5", "SNAP: OUI 00:00:f8 is not known", ' && memcmp(snap, "\\x00\\x00\\xf8", 3) != 0', ""),
    _filter("FILTER-5", "SNAP: DSAP's group bit hides it", "if ((llc[0] & 0xfe) != 0xaa)", "if (llc[0] != 0xaa)"),
    _filter("FILTER-5", "SNAP: SSAP must be AA too", "if ((llc[0] & 0xfe) != 0xaa)",
            "if ((llc[0] & 0xfe) != 0xaa || llc[1] != 0xaa)"),
    _filter("FILTER-5", "SNAP: the control field has one byte",
            "(llc[2] & 0x03) == 0x03 ? LLC_HEADER : LLC_HEADER + 1", "LLC_HEADER"),
    _filter("FILTER-5", "LLC: no IPv4 behind DSAP 06", "(llc[0] & 0xfe) == 0x06", "llc[0] == 0xff"),
    _filter("FILTER-5", "LLC: a cut control field hides IPv4", "if ((llc[0] & 0xfe) == 0x06)",
            "if ((llc[0] & 0xfe) == 0x06 && len >= header)"),

    _filter("FILTER-6", "source 547 passes", "from == 547 || ", ""),
    _filter("FILTER-6", "destination 546 passes", " || to == 546", ""),
    _filter("FILTER-6", "relay-replies to relay agents pass", "	case 13:\n", ""),
    _filter("FILTER-6", "router advertisements pass", "	case 134:", "	case 255:"),
    _filter("FILTER-6", "redirects pass", "	case 137:", "	case 255:"),
    _filter("FILTER-6", "MLD queries pass", "	case 130:", "	case 255:"),
    _filter("FILTER-6", "MLD reports are dropped", "	case 130:", "	case 130:\n	case 131:"),
    _filter("FILTER-6", "behind hop-by-hop all passes", "	case NEXT_HOP_BY_HOP:\n", ""),
    _filter("FILTER-6", "behind routing all passes", "	case NEXT_ROUTING:\n", ""),
    _filter("FILTER-6", "behind destination options all passes", "	case NEXT_DESTINATION:\n", ""),
    _filter("FILTER-6", "behind mobility all passes", "	case NEXT_MOBILITY:\n", ""),
    _filter("FILTER-6", "authentication counts in units of 8", "((size_t)bytes[1] + 2) * 4",
            "((size_t)bytes[1] + 1) * 8"),
    _filter("FILTER-6", "an extension header is always 8 bytes", "((size_t)bytes[1] + 1) * 8", "(size_t)8"),
    _filter("FILTER-6", "only one extension header is followed", "while (is_extension(type)) {",
            "for (int once = 0; once < 1 && is_extension(type); once++) {"),
    _filter("FILTER-6", "at most eight are followed", "while (is_extension(type)) {",
            "for (int count = 0; count < 8 && is_extension(type); count++) {"),

    _filter("FILTER-7", "IPv6 fragments are followed", "type == NEXT_FRAGMENT && unless(", "false && unless("),
    _filter("FILTER-7", "IPv6 fragments pass", "return SL_DROP_IPV6_FRAGMENT;", "return SL_DROP_NONE;"),
    _filter("FILTER-7", "a tiny first fragment passes",
            "if (known && len < TRANSPORT_MIN)\n		return SL_DROP_HEADER_CHAIN;",
            "if (known && len < TRANSPORT_MIN)\n		return SL_DROP_NONE;"),
    _filter("FILTER-7", "seven bytes of transport are enough", "#define TRANSPORT_MIN 8", "#define TRANSPORT_MIN 7"),
    _filter("FILTER-7", "TCP needs no header", "type == SL_IPPROTO_IGMP || type == SL_IPPROTO_TCP",
            "type == SL_IPPROTO_IGMP"),
    _filter("FILTER-7", "an IPv4 total length above the frame is cut to it", "	total = sl_get16(ip + 2);\n",
            "	total = sl_get16(ip + 2);\n	if (total > view->network_len)\n		total = view->network_len;\n"),
    _filter("FILTER-7", "IPv4's total length is not looked at", "	total = sl_get16(ip + 2);",
            "	total = view->network_len;"),
    _filter("FILTER-7", "an IPv4 header of 16 bytes passes", "header < IPV4_HEADER || header > total",
            "header < 16 || header > total"),
    _filter("FILTER-7", "any version is IPv4", " || ip[0] >> 4 != 4", ""),
    _filter("FILTER-7", "any version is IPv6", " || ip[0] >> 4 != 6", ""),
    _filter("FILTER-7", "IPv6's payload length is not looked at", "	left = sl_get16(ip + 4);",
            "	left = view->network_len - IPV6_HEADER;"),
    _filter("FILTER-7", "a chain may end behind the packet",
            "if (step < IPV6_STEP || step > left)\n			return SL_DROP_HEADER_CHAIN;",
            "if (step < IPV6_STEP || step > left)\n			return SL_DROP_NONE;"),

    _filter("FILTER-8", "no jumbo", "eth->payload_len > SL_ETH_MAX_PAYLOAD)", "eth->payload_len > 9000)"),
    _filter("FILTER-8", "a jumbo is one byte longer", "eth->payload_len > SL_ETH_MAX_PAYLOAD)",
            "eth->payload_len > SL_ETH_MAX_PAYLOAD + 1)"),
    _filter("FILTER-8", "the MTU is not looked at", "input->mtu != 0 && ", "false && "),
    _filter("FILTER-8", "a frame as long as the MTU is too long", "eth->payload_len > input->mtu",
            "eth->payload_len >= input->mtu"),
    _filter("FILTER-8", "tags count", "eth->payload_len > SL_ETH_MAX_PAYLOAD)",
            "eth->payload_len + eth->tags * 4 > SL_ETH_MAX_PAYLOAD)"),

    _filter("FILTER-9", "an 802.3 length that lies passes from the LAN",
            "eth->type > eth->payload_len))\n		return SL_DROP_MALFORMED;",
            "eth->type > eth->payload_len))\n		return input->direction == SL_FROM_LAN ? SL_DROP_NONE "
            ": SL_DROP_MALFORMED;"),
    _filter("FILTER-9", "cut LLC and SNAP of remotes pass", "return remote && !whole ?", "return false ?"),
    _filter("FILTER-9", "cut LLC and SNAP of the LAN are dropped", "return remote && !whole ?", "return !whole ?"),
    _eth("FILTER-9", "three tags pass", "out->tags == SL_ETH_MAX_TAGS", "out->tags == 3"),
    _eth("FILTER-9", "two tags are too many", "out->tags == SL_ETH_MAX_TAGS", "out->tags == 1"),
    _eth("FILTER-9", "a runt of 14 bytes", "	if (len < SL_ETH_HEADER)", "	if (len <= SL_ETH_HEADER)"),
)
