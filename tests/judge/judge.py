"""The second judge of the filter: decides from a frame's bytes, its direction, the room's MTU and the announced
MAC whether the frame may cross, by docs/filter.md alone. It shares nothing with src/proto/filter.c and nothing
with the corpus' generator: the headers are read by scapy, layer by layer; where scapy gives up or guesses
(lengths that lie, chains of extension headers) the code is here.

`reasons` is the strict judge. `scapy_finds` is a second opinion: scapy dissects the whole frame by its own rules,
and what it recognises as a forbidden message must not have passed."""

import logging
import struct

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers import dhcp, dhcp6, inet, inet6, l2  # noqa: E402  pylint: disable=C0413

REMOTE, LAN = 0, 1

# In the order of docs/filter.md: the first that applies is the frame's reason.
ORDER = ("runt", "malformed", "invalid_source", "forged_source", "switch_control", "vlan_tag", "dhcp_server",
         "dhcpv6_server", "router_advertisement", "redirect", "multicast_query", "ipv6_fragment", "header_chain",
         "jumbo", "over_mtu")

# Those that can be switched off.
RULES = ORDER[2:13]

TAG_TYPES = {0x8100: l2.Dot1Q, 0x88A8: l2.Dot1AD, 0x9100: l2.Dot1Q, 0x9200: l2.Dot1Q, 0x9300: l2.Dot1Q}
MORE_TAG_TYPES = (0x88E7, 0x8926, 0x893F)
SWITCH_TYPES = (0x8808, 0x8809, 0x888E, 0x8899, 0x88CC, 0x88F5, 0x88F6, 0x8902, 0x9000)
SWITCH_GROUPS = ("01:00:0c:cc:cc:cc", "01:00:0c:cc:cc:cd", "01:00:0c:cd:cd:cd", "01:00:0c:cd:cd:d0",
                 "01:00:0c:dd:dd:dd")
CISCO_PROTOCOLS = (0x0104, 0x010B, 0x010C, 0x0111, 0x2000, 0x2001, 0x2003, 0x2004)
ETHERTYPE_OUIS = (0x000000, 0x0000F8)
LONG_HEADERS = (0, 43, 60, 135, 139, 140)  # 8 * (length + 1) bytes


class Stop(Exception):
    """Nothing more can be read: the reason."""


def reasons(frame, direction, mtu, announced, relaxed=frozenset()):
    """All reasons to drop the frame that were found, in the rule book's order; empty: it may cross. `relaxed` has
    the names of the rules that are switched off."""
    found = set()
    try:
        _frame(frame, direction == REMOTE, mtu, announced, found, "ipv6_fragment" in relaxed)
    except Stop as stop:
        found.add(stop.args[0])
    return sorted(found - relaxed, key=ORDER.index)


def _frame(frame, remote, mtu, announced, found, fragments):
    if len(frame) < 14:
        raise Stop("runt")
    ether = l2.Ether(frame[:14])  # or Dot3, which has no type
    kind, rest, tags = struct.unpack("!H", frame[12:14])[0], frame[14:], 0
    while kind in TAG_TYPES:
        tags += 1
        if tags > 2 or len(rest) < 4:
            raise Stop("malformed")
        kind, rest = TAG_TYPES[kind](rest[:4]).type, rest[4:]
    if kind < 0x0600 and (kind > 1500 or kind > len(rest)):
        raise Stop("malformed")

    if frame[6] & 1 or ether.src == "00:00:00:00:00:00":
        found.add("invalid_source")
    if remote and announced is not None and frame[6:12] != announced:
        found.add("forged_source")
    if _for_switches(ether.dst):
        found.add("switch_control")
    if len(rest) > 1500:
        found.add("jumbo")
    if mtu and len(rest) > mtu:
        found.add("over_mtu")
    if remote and tags:
        found.add("vlan_tag")

    if kind < 0x0600:
        kind, rest = _logical_link(rest[:kind], remote, found)
    if kind in SWITCH_TYPES:
        found.add("switch_control")
    if remote:
        if kind in TAG_TYPES or kind in MORE_TAG_TYPES:
            found.add("vlan_tag")
        if kind == 0x0800:
            _ipv4(rest, found)
        elif kind == 0x86DD:
            _ipv6(rest, found, fragments)


def _for_switches(dst):
    if dst.startswith("01:80:c2:00:00:"):
        return dst[15] in "02"
    return dst in SWITCH_GROUPS


def _logical_link(data, remote, found):
    """LLC (IEEE 802.2): returns the ethertype that it carries, None for none, and what follows."""
    if any(sap & 0xFE == 0x42 for sap in data[:2]):
        found.add("switch_control")
    if len(data) < 3:
        if remote:
            found.add("malformed")
        return None, b""
    llc = l2.LLC(data[:3])
    body = data[3:] if llc.ctrl & 3 == 3 else data[4:]
    if llc.dsap & 0xFE == 0x06:
        return 0x0800, body
    if llc.dsap & 0xFE != 0xAA:
        return None, b""
    if len(body) < 5:
        if remote:
            found.add("malformed")
        return None, b""
    snap = l2.SNAP(body[:5])
    if snap.OUI == 0x00000C and snap.code in CISCO_PROTOCOLS:
        found.add("switch_control")
    if snap.OUI in ETHERTYPE_OUIS:
        return snap.code, body[5:]
    return None, b""


DHCPV6_MESSAGES = dhcp6.dhcp6types
DHCPV6_SERVER = ("ADVERTISE", "REPLY", "RECONFIGURE", "RELAY-REPL")


def dhcp_reply(first_byte):
    return dhcp.BOOTP(bytes((first_byte,)) + bytes(235)).sprintf("%BOOTP.op%") == "BOOTREPLY"


ICMP_REASONS = {"router-advertisement": "router_advertisement", "redirect": "redirect"}


def _ipv4(data, found):
    if len(data) < 20 or data[0] >> 4 != 4:
        found.add("header_chain")
        return
    ip = inet.IP(data[:20])
    start = 4 * ip.ihl
    if start < 20 or start > ip.len or ip.len > len(data):
        found.add("header_chain")
        return
    if ip.frag:
        return
    body = data[start:ip.len]
    if ip.proto not in (1, 2, 6, 17, 136):
        return
    if len(body) < 8:
        found.add("header_chain")
    elif ip.proto == 1:
        if reason := ICMP_REASONS.get(inet.icmptypes.get(body[0])):
            found.add(reason)
    elif ip.proto == 2:
        if body[0] == 0x11:
            found.add("multicast_query")
    elif ip.proto == 17:
        udp = inet.UDP(body[:8])
        if udp.sport == 67 or udp.dport == 68:
            found.add("dhcp_server")
        elif udp.dport == 67 and len(body) < 9:
            found.add("header_chain")
        elif udp.dport == 67 and dhcp_reply(body[8]):
            found.add("dhcp_server")


ND_REASONS = {inet6.ICMPv6ND_RA: "router_advertisement", inet6.ICMPv6ND_Redirect: "redirect",
              inet6.ICMPv6MLQuery: "multicast_query", inet6.ICMPv6MLQuery2: "multicast_query"}


def _ipv6(data, found, fragments):
    if len(data) < 40 or data[0] >> 4 != 6:
        found.add("header_chain")
        return
    ip = inet6.IPv6(data[:40])
    if ip.plen > len(data) - 40:
        found.add("header_chain")
        return
    body, kind = data[40:40 + ip.plen], ip.nh
    while kind in LONG_HEADERS or kind in (44, 51):
        if kind == 44 and not fragments:  # even one that is cut off is one
            found.add("ipv6_fragment")
            return
        if len(body) < 8:
            found.add("header_chain")
            return
        if kind == 44:
            if struct.unpack("!H", body[2:4])[0] >> 3:
                return
            size = 8
        else:
            size = 4 * (body[1] + 2) if kind == 51 else 8 * (body[1] + 1)
        if size > len(body):
            found.add("header_chain")
            return
        kind, body = body[0], body[size:]
    if kind not in (6, 17, 58, 136):
        return
    if len(body) < 8:
        found.add("header_chain")
    elif kind == 17:
        udp = inet.UDP(body[:8])
        if udp.sport == 547 or udp.dport == 546:
            found.add("dhcpv6_server")
        elif udp.dport == 547 and len(body) < 9:
            found.add("header_chain")
        elif udp.dport == 547 and DHCPV6_MESSAGES.get(body[8]) in DHCPV6_SERVER:
            found.add("dhcpv6_server")
    elif kind == 58:
        if reason := ND_REASONS.get(_icmpv6_class(body[0])):
            found.add(reason)


def _icmpv6_class(kind):
    name = inet6.icmp6typescls.get(kind)
    return name if not isinstance(name, str) else getattr(inet6, name, None)


def scapy_finds(frame):
    """Forbidden to remotes: what scapy's own dissection recognises in the frame, or None. It goes no deeper than
    the first IP packet: what a tunnel carries is not judged."""
    outer = None
    layer = l2.Ether(frame) if frame[12] >= 6 else l2.Dot3(frame)
    while layer:
        if isinstance(layer, (inet.IP, inet6.IPv6)):
            if outer is not None:
                return None
            outer = layer
        if isinstance(layer, (inet.IPerror, inet6.IPerror6)):
            return None
        if isinstance(layer, l2.SNAP) and (layer.OUI not in ETHERTYPE_OUIS or layer.code < 0x0600):
            return None  # scapy does not look at the OUI
        if name := _forbidden(layer, outer):
            return name
        layer = layer.payload
    return None


def _forbidden(layer, outer):
    if isinstance(layer, (l2.Dot1Q, l2.Dot1AD)):
        return "vlan_tag"
    if isinstance(layer, l2.STP):
        return "switch_control"
    if isinstance(layer, inet6.IPv6ExtHdrFragment):
        return "ipv6_fragment"
    if isinstance(layer, inet.UDP) and isinstance(outer, inet.IP) and (layer.sport == 67 or layer.dport == 68):
        return "dhcp_server"
    if isinstance(layer, inet.UDP) and isinstance(outer, inet6.IPv6) and (layer.sport == 547 or layer.dport == 546):
        return "dhcpv6_server"
    if isinstance(layer, inet.ICMP) and isinstance(outer, inet.IP):
        return {5: "redirect", 9: "router_advertisement"}.get(layer.type)
    if isinstance(layer, inet.IP) and layer.proto == 2 and not layer.frag and bytes(layer.payload)[:1] == b"\x11":
        return "multicast_query"
    if isinstance(outer, inet6.IPv6):
        for kind, name in ND_REASONS.items():
            if isinstance(layer, kind):
                return name
    return None
