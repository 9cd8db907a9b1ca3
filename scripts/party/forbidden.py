"""Frames that a remote player must not send, one by one with the reason that each is dropped for.

From the specifications (RFC numbers below) and docs/filter.md, for the tests of the whole path."""

import struct

from . import frames

IP4, IP6, ARP = 0x0800, 0x86DD, 0x0806
ICMP, IGMP, TCP, UDP, AH, ICMP6, NO_NEXT = 1, 2, 6, 17, 51, 58, 59
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION, MOBILITY = 0, 43, 44, 60, 135
ALL_NODES_MAC, ALL_SYSTEMS_MAC = "33:33:00:00:00:01", "01:00:5e:00:00:01"
FOUR, FOUR_TO = bytes([10, 77, 0, 66]), bytes([255] * 4)
SIX, ALL_NODES = bytes.fromhex("fe80000000000000006f65fffe000001"), bytes.fromhex("ff020000000000000000000000000001")


# --- packets

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def four(protocol, body, options=b"", flags=0, length=None, ihl=None, version=4, target=FOUR_TO):
    """An IPv4 packet (RFC 791). `flags`: those and the fragment offset, the 16-bit field."""
    words = ihl if ihl is not None else 5 + len(options) // 4
    total = length if length is not None else 20 + len(options) + len(body)
    head = struct.pack("!BBHHHBBH", version << 4 | words, 0, total, 0x6865, flags, 64, protocol, 0) + FOUR + target
    head += options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def six(header, body, length=None, version=6):
    """An IPv6 packet (RFC 8200), to all nodes."""
    return struct.pack("!IHBB", version << 28, len(body) if length is None else length, header, 255) + \
        SIX + ALL_NODES + body


def chain(*headers, last, body):
    """Extension headers, each (type, bytes behind its first): gives (first type, all bytes)."""
    data, following = body, last
    for kind, rest in reversed(headers):
        data = bytes([following]) + rest + data
        following = kind
    return following, data


PAD = b"\0" + b"\1\4\0\0\0\0"  # length 0 (8 bytes in all), one PadN
ALERT = b"\0" + b"\5\2\0\0\1\0"  # a router alert (RFC 2711): MLD has it
LONG = b"\2" + b"\1\x14" + bytes(20)  # 24 bytes
ROUTE = b"\0" + b"\0\0" + bytes(4)  # type 0, no segments left
AUTH = b"\4\0\0" + bytes(20)  # 24 bytes (RFC 4302: 4 * (length + 2))


def udp(source, target, body=b"", length=None):
    return struct.pack("!HHHH", source, target, 8 + len(body) if length is None else length, 0) + body


def icmp(kind, code=0, body=bytes(24)):
    return struct.pack("!BBH", kind, code, 0) + body


OFFER = b"\2\1\6\0" + b"play" + bytes(228) + b"\x63\x82\x53\x63" + b"\x35\1\2" + b"\xff"  # RFC 2131
OFFER_FLAGGED = OFFER[:10] + b"\x80\0" + OFFER[12:]
RA = icmp(134, 0, b"\x40\0\x07\x08" + bytes(8) + b"\3\4\x40\xc0" + bytes(28))  # RFC 4861
REDIRECT6 = icmp(137, 0, bytes(4) + SIX + ALL_NODES)
QUERY6 = icmp(130, 0, b"\x27\x10\0\0" + bytes(16))  # RFC 2710
ADVERTISE = b"\2abc" + bytes(20)  # DHCPv6, RFC 8415
QUERY4 = b"\x11\x64\xee\x9b\0\0\0\0"  # IGMPv2, RFC 2236
ROUTER_ALERT = b"\x94\4\0\0"
RECORD_ROUTE = b"\7\x0b\4" + bytes(8) + b"\0"


def snap(oui, protocol, body, control=b"\3"):
    """An 802.3 frame's body from its length on: LLC and SNAP."""
    data = b"\xaa\xaa" + control + bytes.fromhex(oui) + struct.pack("!H", protocol) + body
    return struct.pack("!H", len(data)) + data


def llc(dsap, ssap, body, control=b"\3"):
    data = bytes([dsap, ssap]) + control + body
    return struct.pack("!H", len(data)) + data


# --- the frames

class Catalogue:
    """(name, reason, frame) of every forbidden class. `mac` sends them; `other` is another player's MAC."""

    def __init__(self, mac, other, stranger="02:99:99:99:99:99"):
        self.mac, self.all = mac, []
        self._addresses(other, stranger)
        self._switches()
        self._tags()
        self._dhcp()
        self._routers()
        self._queries()
        self._chains()

    def add(self, reason, name, payload, ethertype=None, to=frames.BROADCAST, source=None, fill=True):
        """`payload` begins with its type or length unless `ethertype` is given. Short ones are filled up as a
        network card does, unless that would change what they are."""
        frame = frames.mac_bytes(to) + frames.mac_bytes(source or self.mac)
        frame += (struct.pack("!H", ethertype) if ethertype is not None else b"") + payload
        frame += bytes(max(0, 60 - len(frame))) if fill else b""
        self.all.append((name, reason, frame))

    def _addresses(self, other, stranger):
        text = b"not from me" + bytes(35)
        for name, source in (("broadcast", frames.BROADCAST), ("multicast", "03:00:00:00:00:01"),
                             ("zero", "00:00:00:00:00:00")):
            self.add("invalid_source", f"source {name}", text, frames.ETH_TEST, source=source)
        for name, source in (("a stranger", stranger), ("another player", other)):
            self.add("forged_source", f"source {name}", text, frames.ETH_TEST, source=source)

    def _switches(self):
        bpdu = llc(0x42, 0x42, bytes(35))
        for last in (0, 1, 2, 3, 0x0E, 0x0F, 0x20, 0x21, 0x2F):
            self.add("switch_control", f"to 01:80:c2:00:00:{last:02x}", b"\x05" + bytes(40), frames.ETH_TEST,
                     to=f"01:80:c2:00:00:{last:02x}")
        self.add("switch_control", "a BPDU", bpdu, to="01:80:c2:00:00:00")
        for name, to in (("CDP, VTP", "cc:cc:cc"), ("PVST+", "cc:cc:cd"), ("uplink fast", "cd:cd:cd"),
                         ("tunnelled control", "cd:cd:d0"), ("CGMP", "dd:dd:dd")):
            self.add("switch_control", f"to Cisco's {name}", snap("00000c", 0x7777, bytes(30)), to=f"01:00:0c:{to}")
        for kind in (0x8808, 0x8809, 0x888E, 0x8899, 0x88CC, 0x88F5, 0x88F6, 0x8902, 0x9000):
            self.add("switch_control", f"type {kind:#06x} by broadcast", b"\0\1" + bytes(44), kind)
        self.add("switch_control", "a BPDU by broadcast", bpdu)
        self.add("switch_control", "LLC from 43", llc(0x02, 0x43, bytes(35)))
        for oui in ("000000", "0000f8"):
            self.add("switch_control", f"LLDP in SNAP {oui}", snap(oui, 0x88CC, bytes(40)))
        self.add("switch_control", "LLDP in SNAP with a 16-bit control field", snap("000000", 0x88CC, bytes(40), b"\0\0"))
        for protocol in (0x0104, 0x010B, 0x010C, 0x0111, 0x2000, 0x2001, 0x2003, 0x2004):
            self.add("switch_control", f"Cisco {protocol:#06x} by broadcast", snap("00000c", protocol, bytes(40)))
        self.add("switch_control", "LLDP behind a tag", b"\x81\0\0\1\x88\xcc" + bytes(44))

    def _tags(self):
        inside = struct.pack("!H", IP4) + four(UDP, udp(27015, 27015, b"tagged"))
        for kind in (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300):
            self.add("vlan_tag", f"tag {kind:#06x}, VLAN 10", struct.pack("!HH", kind, 10) + inside)
        self.add("vlan_tag", "a priority tag", b"\x81\0\xe0\0" + inside)
        self.add("vlan_tag", "two tags", b"\x88\xa8\0\1\x81\0\0\x0a" + inside)
        self.add("vlan_tag", "a tag and an offer of DHCP", b"\x81\0\0\1" + struct.pack("!H", IP4)
                 + four(UDP, udp(67, 68, OFFER)))
        for kind in (0x88E7, 0x8926, 0x893F):
            self.add("vlan_tag", f"type {kind:#06x}", bytes(46), kind)
        self.add("vlan_tag", "a tag inside SNAP", snap("000000", 0x8100, b"\0\x0a" + inside))
        self.add("malformed", "a tag cut off", b"\x81\0\0", fill=False)
        self.add("malformed", "three tags", b"\x81\0\0\1" * 3 + inside)
        self.add("malformed", "a length above what follows", b"\x05\0" + b"\xe0\xe0\3" + bytes(43))
        self.add("malformed", "a length of 1501", b"\x05\xdd" + bytes(46))
        self.add("malformed", "LLC of two bytes", b"\0\2\xe0\xe0" + bytes(44))
        self.add("malformed", "SNAP cut off by the length", b"\0\6\xaa\xaa\3\0\0\0\x08\0" + bytes(40))
        self.all.append(("thirteen bytes", "runt", frames.mac_bytes(frames.BROADCAST) + frames.mac_bytes(self.mac)
                         + b"\x08"))
        self.all.append(("six bytes", "runt", frames.mac_bytes(frames.BROADCAST)))
        self.all.append(("an empty frame", "runt", b""))
        self.all.append(("a jumbo frame for this path", "datagram_budget",
                         frames.build(frames.BROADCAST, self.mac, payload=b"long", size=1400)))

    def _dhcp(self):
        def add(name, packet, **more):
            self.add("dhcp_server", name, packet, IP4, **more)
        offer = udp(67, 68, OFFER)
        add("an offer", four(UDP, offer))
        add("an offer with the broadcast flag", four(UDP, udp(67, 68, OFFER_FLAGGED)))
        add("an offer by unicast", four(UDP, offer, target=bytes([10, 77, 0, 12])), to="00:16:3e:77:00:01")
        add("from a relay's port to a relay's", four(UDP, udp(67, 67, OFFER)))
        add("to port 68 from another", four(UDP, udp(4011, 68, OFFER)))
        add("from port 67 to another", four(UDP, udp(67, 30000, OFFER)))
        add("to a relay agent, from any port", four(UDP, udp(30000, 67, OFFER)))
        add("to a relay agent, behind IP options", four(UDP, udp(30000, 67, OFFER), RECORD_ROUTE))
        add("behind IP options", four(UDP, offer, RECORD_ROUTE))
        add("behind forty bytes of options", four(UDP, offer, b"\1" * 40))
        add("a first fragment", four(UDP, offer, flags=0x2000))
        add("don't fragment", four(UDP, offer, flags=0x4000))
        add("the evil bit", four(UDP, offer, flags=0x8000))
        add("UDP length zero", four(UDP, udp(67, 68, OFFER, length=0)))
        add("UDP length above the packet", four(UDP, udp(67, 68, OFFER, length=9000)))
        add("a total length below the UDP length", four(UDP, offer, length=28))
        add("with a second packet as padding", four(UDP, offer) + four(UDP, udp(27015, 27015, b"play")))
        for oui in ("000000", "0000f8"):
            self.add("dhcp_server", f"in SNAP {oui}", snap(oui, IP4, four(UDP, offer)))
        self.add("dhcp_server", "in SNAP with odd LLC addresses",
                 struct.pack("!H", 8 + len(four(UDP, offer))) + b"\xab\xe0\3\0\0\0\x08\0" + four(UDP, offer))
        self.add("dhcp_server", "in LLC 06", llc(6, 6, four(UDP, offer)))

        def add6(name, first, body, length=None):
            self.add("dhcpv6_server", name, six(first, body, length), IP6, to=ALL_NODES_MAC)
        reply = udp(547, 546, ADVERTISE)
        add6("a reply", UDP, reply)
        add6("a relay's reply", UDP, udp(547, 547, b"\x0d" + bytes(40)))
        add6("to port 546 from another", UDP, udp(30000, 546, ADVERTISE))
        for kind, name in ((2, "an advertisement"), (7, "a reply"), (10, "a reconfiguration"), (13, "a relay's reply")):
            add6(f"{name} to a relay agent, from any port", UDP, udp(30000, 547, bytes([kind]) + ADVERTISE[1:]))
        add6("to a relay agent behind options", *chain((DESTINATION, LONG), last=UDP, body=udp(30000, 547, ADVERTISE)))
        for name, headers in CHAINS.items():
            add6(f"behind {name}", *chain(*headers, last=UDP, body=reply))
        self.add("dhcpv6_server", "DHCPv6 in SNAP", snap("000000", IP6, six(UDP, reply)))
        self.add("dhcpv6_server", "DHCPv6 with padding", six(UDP, reply) + bytes(50), IP6)

    def _routers(self):
        for reason, name, message in (("router_advertisement", "RA", RA), ("redirect", "IPv6 redirect", REDIRECT6)):
            self.add(reason, name, six(ICMP6, message), IP6, to=ALL_NODES_MAC)
            for where, headers in CHAINS.items():
                self.add(reason, f"{name} behind {where}", six(*chain(*headers, last=ICMP6, body=message)), IP6,
                         to=ALL_NODES_MAC)
            self.add(reason, f"{name} in SNAP", snap("000000", IP6, six(ICMP6, message)))
        for reason, name, kind in (("router_advertisement", "ICMPv4 router advertisement", 9),
                                   ("redirect", "ICMPv4 redirect", 5)):
            self.add(reason, name, four(ICMP, icmp(kind, 1)), IP4)
            self.add(reason, f"{name} behind options", four(ICMP, icmp(kind, 1), RECORD_ROUTE), IP4)
            self.add(reason, f"{name}, first fragment", four(ICMP, icmp(kind, 1), flags=0x2000), IP4)
            self.add(reason, f"{name} in SNAP", snap("000000", IP4, four(ICMP, icmp(kind, 1))))

    def _queries(self):
        self.add("multicast_query", "IGMP query", four(IGMP, QUERY4, ROUTER_ALERT), IP4, to=ALL_SYSTEMS_MAC)
        self.add("multicast_query", "IGMP query without options", four(IGMP, QUERY4), IP4, to=ALL_SYSTEMS_MAC)
        self.add("multicast_query", "IGMPv3 query", four(IGMP, QUERY4 + b"\2\x7d\0\0", ROUTER_ALERT), IP4)
        self.add("multicast_query", "MLD query", six(*chain((HOP_BY_HOP, ALERT), last=ICMP6, body=QUERY6)), IP6)
        self.add("multicast_query", "MLD query without router alert", six(ICMP6, QUERY6), IP6)
        self.add("multicast_query", "MLDv2 query behind more", six(*chain(
            (HOP_BY_HOP, ALERT), (DESTINATION, LONG), last=ICMP6, body=QUERY6 + b"\2\x7d\0\0")), IP6)
        self.add("multicast_query", "IGMP query in SNAP", snap("000000", IP4, four(IGMP, QUERY4, ROUTER_ALERT)))

    def _chains(self):
        def fragment(offset, more):
            return FRAGMENT, b"\0" + struct.pack("!HI", offset << 3 | more, 0x68656C6C)
        for name, headers in {"an atomic one": [fragment(0, 0)], "the first": [fragment(0, 1)],
                              "a later one": [fragment(20, 0)],
                              "behind other headers": [(HOP_BY_HOP, PAD), (DESTINATION, LONG), fragment(0, 1)]}.items():
            self.add("ipv6_fragment", f"IPv6 fragment, {name}", six(*chain(*headers, last=ICMP6, body=RA)), IP6)
        self.add("ipv6_fragment", "a header split over fragments", six(*chain(
            fragment(0, 1), last=DESTINATION, body=bytes([ICMP6, 3, 1, 28, 0, 0, 0, 0]))), IP6)
        for name, packet in {
                "a header beyond the frame": six(DESTINATION, bytes([ICMP6, 200, 1, 4, 0, 0, 0, 0]) + RA),
                "a header beyond the payload length": six(DESTINATION, bytes([ICMP6, 8]) + bytes(14) + RA, length=16),
                "half a header": six(HOP_BY_HOP, bytes([ICMP6, 0, 1, 0]), length=4),
                "payload length above the frame": six(ICMP6, RA, length=1000),
                "payload length zero": six(ICMP6, RA, length=0),
                "four bytes of ICMPv6": six(ICMP6, RA[:4], length=4),
                "no room for UDP's ports": six(UDP, udp(547, 546)[:7], length=7),
                "a message to port 547 cut before its first byte": six(UDP, udp(30000, 547)),
                "version 5": six(ICMP6, RA, version=5)}.items():
            self.add("header_chain", f"IPv6, {name}", packet, IP6)
        self.all.append(("IPv6 of 39 bytes", "header_chain", frames.mac_bytes(frames.BROADCAST)
                         + frames.mac_bytes(self.mac) + b"\x86\xdd" + six(ICMP6, RA)[:39]))
        offer = udp(67, 68, OFFER)
        for name, packet in {
                "a tiny first fragment": four(UDP, offer[:4], flags=0x2000, length=24),
                "a first fragment of eight bytes of TCP less one": four(TCP, bytes(7), flags=0x2000, length=27),
                "header length 16": four(UDP, offer, ihl=4), "header length zero": four(UDP, offer, ihl=0),
                "header length above the total length": four(UDP, offer, ihl=15, length=40),
                "a message to port 67 cut before its first byte": four(UDP, udp(30000, 67)),
                "total length zero": four(UDP, offer, length=0),
                "total length below the header": four(UDP, offer, length=19),
                "total length above the frame": four(UDP, offer, length=1400),
                "version 6": four(UDP, offer, version=6)}.items():
            self.add("header_chain", f"IPv4, {name}", packet, IP4)
        self.all.append(("IPv4 of 19 bytes", "header_chain", frames.mac_bytes(frames.BROADCAST)
                         + frames.mac_bytes(self.mac) + b"\x08\0" + four(UDP, offer)[:19]))


CHAINS = {
    "hop-by-hop options": [(HOP_BY_HOP, PAD)],
    "destination options": [(DESTINATION, LONG)],
    "a routing header": [(ROUTING, ROUTE)],
    "an authentication header": [(AH, AUTH)],
    "a mobility header": [(MOBILITY, PAD)],
    "five headers": [(HOP_BY_HOP, ALERT), (DESTINATION, PAD), (ROUTING, ROUTE), (AH, AUTH), (DESTINATION, LONG)],
    "hop-by-hop options that come late, thirty times": [(DESTINATION, PAD), (HOP_BY_HOP, PAD)] * 15,
}


def arp(operation, mac, sender_mac, sender, target, to=frames.BROADCAST, target_mac="00:00:00:00:00:00"):
    """An ARP frame (RFC 826); addresses as text."""
    def address(text):
        return bytes(map(int, text.split(".")))
    return frames.build(to, mac, ARP, struct.pack("!HHBBH", 1, IP4, 6, 4, operation) + frames.mac_bytes(sender_mac)
                        + address(sender) + frames.mac_bytes(target_mac) + address(target) + bytes(18))


def neighbor(kind, mac, source, target, link_layer=None):
    """A Neighbor Solicitation (135) or Advertisement (136), with its checksum; addresses are 16 bytes."""
    option = bytes([2 if kind == 136 else 1, 1]) + frames.mac_bytes(link_layer or mac)
    message = struct.pack("!BBHI", kind, 0, 0, 0x20000000 if kind == 136 else 0) + target + option
    pseudo = source + ALL_NODES + struct.pack("!II", len(message), ICMP6)
    message = message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]
    packet = struct.pack("!IHBB", 6 << 28, len(message), ICMP6, 255) + source + ALL_NODES + message
    return frames.build(ALL_NODES_MAC, mac, IP6, packet)
