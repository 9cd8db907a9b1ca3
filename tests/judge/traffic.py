"""The corpus' honest traffic: what the machines of a LAN party really send. Each function returns (destination
MAC, family, bytes): family "v4" or "v6" for an IP packet, else "raw" for what follows the two addresses."""

import struct

import wire

ALL_HOSTS6 = bytes.fromhex("ff02" + "00" * 13 + "01")
ROUTERS6 = bytes.fromhex("ff02" + "00" * 13 + "02")
MLD2_ROUTERS = bytes.fromhex("ff02" + "00" * 13 + "16")
DHCP_SERVERS6 = bytes.fromhex("ff02" + "00" * 10 + "00010002")


class Host:
    """A machine with its addresses; `peer` is another one on the LAN."""

    def __init__(self, rng, mac=None):
        self.rng = rng
        self.mac = mac or bytes((rng.choice((0x00, 0x02, 0x3C, 0xB8)),)) + rng.randbytes(5)
        self.ip4 = bytes((192, 168, 77, rng.randint(2, 254)))
        self.ip6 = bytes.fromhex("fe80000000000000") + rng.randbytes(8)

    def port(self):
        while True:
            port = self.rng.randint(1024, 65535)
            if port not in (67, 68, 546, 547):
                return port

    def data(self, low=1, high=400):
        return self.rng.randbytes(self.rng.randint(low, high))


def group_mac4(group):
    return bytes((1, 0, 0x5E, group[1] & 0x7F)) + group[2:]


def group_mac6(group):
    return b"\x33\x33" + group[12:]


def name(text):
    return b"".join(bytes((len(part),)) + part.encode() for part in text.split(".")) + b"\0"


def dns(rng, question, kind=1, answers=0):
    return struct.pack("!HHHHHH", rng.getrandbits(16), 0x8400 if answers else 0x0100, 1, answers, 0, 0) \
        + name(question) + struct.pack("!HH", kind, 1)


def udp_to(host, dst_mac, dst, sport, dport, data, **fields):
    return dst_mac, "v4", wire.udp4(host.ip4, dst, sport, dport, data, **fields)


def udp_group(host, group, sport, dport, data):
    group = bytes(int(part) for part in group.split("."))
    return udp_to(host, group_mac4(group), group, sport, dport, data, ttl=host.rng.choice((1, 4, 255)))


def udp_broadcast(host, sport, dport, data):
    dst = host.rng.choice((b"\xff" * 4, bytes((192, 168, 77, 255))))
    return udp_to(host, wire.BROADCAST, dst, sport, dport, data)


def udp6(host, dst_mac, dst, sport, dport, data):
    segment = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return dst_mac, "v6", wire.ip6(host.ip6, dst, 17, wire.upper6(host.ip6, dst, 17, segment, 6),
                                   hops=host.rng.choice((1, 64, 255)))


def icmp6(host, dst_mac, dst, kind, rest, code=0):
    return dst_mac, "v6", wire.ip6(host.ip6, dst, 58, wire.upper6(host.ip6, dst, 58,
                                                                   bytes((kind, code, 0, 0)) + rest, 2))


def arp(host, peer):
    ask = host.rng.random() < 0.5
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1 if ask else 2) + host.mac + host.ip4 \
        + (bytes(6) if ask else peer.mac) + peer.ip4
    return wire.BROADCAST if ask else peer.mac, "raw", wire.ethertype(0x0806, body)


def dhcp_client(host, peer):
    kind = host.rng.choice((1, 3, 4, 7, 8))
    body = struct.pack("!BBBBIHH", 1, 1, 6, 0, host.rng.getrandbits(32), 3, host.rng.choice((0, 0x8000))) + bytes(16) \
        + host.mac + bytes(10 + 192) + bytes.fromhex("63825363") + bytes((53, 1, kind, 255))
    if kind in (1, 4):
        return wire.BROADCAST, "v4", wire.udp4(bytes(4), b"\xff" * 4, 68, 67, body)
    return udp_to(host, peer.mac, peer.ip4, 68, 67, body)


def dhcpv6_client(host, _peer):
    body = bytes((host.rng.choice((1, 3, 5, 6, 8, 11)),)) + host.rng.randbytes(3) \
        + struct.pack("!HH", 1, 10) + struct.pack("!HH", 3, 1) + host.mac
    return udp6(host, group_mac6(DHCP_SERVERS6), DHCP_SERVERS6, 546, 547, body)


def dns_query(host, peer):
    return udp_to(host, peer.mac, peer.ip4, host.port(), 53, dns(host.rng, "www.example.org"))


def dns_answer6(host, peer):
    return udp6(host, peer.mac, peer.ip6, 53, host.port(), dns(host.rng, "www.example.org", 28, 1))


def mdns(host, _peer):
    if host.rng.random() < 0.5:
        dst = bytes.fromhex("ff02" + "00" * 13 + "fb")
        return udp6(host, group_mac6(dst), dst, 5353, 5353, dns(host.rng, "_ipp._tcp.local", 12))
    return udp_group(host, "224.0.0.251", 5353, 5353, dns(host.rng, "_ipp._tcp.local", 12))


def llmnr(host, _peer):
    return udp_group(host, "224.0.0.252", host.port(), 5355, dns(host.rng, "filer"))


def ssdp(host, _peer):
    return udp_group(host, "239.255.255.250", host.port(), 1900,
                     b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 3\r\n\r\n')


def netbios_name(host, _peer):
    return udp_broadcast(host, 137, 137, struct.pack("!HHHHHH", host.rng.getrandbits(16), 0x0110, 1, 0, 0, 0)
                         + b"\x20" + b"CA" * 16 + b"\0" + struct.pack("!HH", 32, 1))


def netbios_datagram(host, _peer):
    return udp_broadcast(host, 138, 138, b"\x11\x02" + host.data(80, 180))


def minecraft(host, _peer):
    return udp_group(host, "224.0.2.60", host.port(), 4445, b"[MOTD]A party[/MOTD][AD]25565[/AD]")


def source_query(host, _peer):
    return udp_broadcast(host, host.port(), host.rng.randint(27015, 27020),
                         b"\xff\xff\xff\xffTSource Engine Query\0")


def quake(host, peer):
    if host.rng.random() < 0.5:
        return udp_broadcast(host, 27960, host.rng.randint(27960, 27963), b"\xff\xff\xff\xffgetinfo xxx")
    return udp_to(host, peer.mac, peer.ip4, 27960, 27960, host.data(20, 1200))


def game_udp(host, peer):
    return udp_to(host, peer.mac, peer.ip4, host.port(), host.port(), host.data(0, 1400), flags=2)


def game_udp6(host, peer):
    return udp6(host, peer.mac, peer.ip6, host.port(), host.port(), host.data(0, 1300))


def warcraft(host, _peer):
    return udp_broadcast(host, 6112, 6112, b"\xf7\x2f\x10\0PX3W\x1a\0\0\0\0\0\0\0")


def ntp(host, peer):
    return udp_to(host, peer.mac, peer.ip4, 123, 123, b"\x23" + bytes(47))


def torrent_lsd(host, _peer):
    return udp_group(host, "239.192.152.143", 6771, 6771, b"BT-SEARCH * HTTP/1.1\r\nPort: 6881\r\n\r\n")


def syslog(host, peer):
    return udp_to(host, peer.mac, peer.ip4, host.port(), 514, b"<13>party: hello")


def tftp(host, peer):
    return udp_to(host, peer.mac, peer.ip4, host.port(), 69, b"\0\x01map.bsp\0octet\0")


def rip(host, _peer):
    return udp_group(host, "224.0.0.9", 520, 520, b"\x01\x02\0\0" + bytes(20))


def tcp4(host, peer):
    options = host.rng.choice((b"", b"\x02\x04\x05\xb4",
                               b"\x02\x04\x05\xb4\x04\x02\x08\x0a" + bytes(8) + b"\x01\x03\x03\x07"))
    segment = wire.tcp(host.port(), host.rng.choice((80, 445, 25565, 6667, 22)), host.rng.choice((2, 16, 18, 17, 4)),
                       options, host.data(0, 1200))
    return peer.mac, "v4", wire.ip4(host.ip4, peer.ip4, 6, segment)


def tcp6(host, peer):
    return peer.mac, "v6", wire.ip6(host.ip6, peer.ip6, 6, wire.tcp(host.port(), 443, 24, b"", host.data(0, 1200)))


def echo(host, peer):
    return peer.mac, "v4", wire.ip4(host.ip4, peer.ip4, 1, wire.icmp4(host.rng.choice((0, 8)), 0, host.data(4, 1000)))


def unreachable(host, peer):
    """An error that quotes the packet it is about; what it quotes is not judged."""
    quoted = wire.udp4(peer.ip4, host.ip4, host.rng.choice((67, 53)), 68, b"")
    return peer.mac, "v4", wire.ip4(host.ip4, peer.ip4, 1, wire.icmp4(host.rng.choice((3, 11)), 3, bytes(4) + quoted))


def echo6(host, peer):
    return icmp6(host, peer.mac, peer.ip6, host.rng.choice((128, 129)), host.data(4, 1000))


def unreachable6(host, peer):
    quoted = wire.ip6(peer.ip6, host.ip6, 58, b"\x86" + bytes(15))
    return icmp6(host, peer.mac, peer.ip6, 1, bytes(4) + quoted, 4)


def neighbor(host, peer):
    if host.rng.random() < 0.5:
        node = bytes.fromhex("ff02" + "00" * 9 + "01ff") + peer.ip6[13:]
        return icmp6(host, group_mac6(node), node, 135, bytes(4) + peer.ip6 + b"\x01\x01" + host.mac)
    return icmp6(host, peer.mac, peer.ip6, 136, b"\x60\0\0\0" + host.ip6 + b"\x02\x01" + host.mac)


def router_solicitation(host, _peer):
    return icmp6(host, group_mac6(ROUTERS6), ROUTERS6, 133, bytes(4) + b"\x01\x01" + host.mac)


def router_solicitation4(host, _peer):
    dst = bytes((224, 0, 0, 2))
    return group_mac4(dst), "v4", wire.ip4(host.ip4, dst, 1, wire.icmp4(10, 0, bytes(4)), ttl=1)


def igmp_report(host, _peer):
    group = bytes((239, 1, 2, host.rng.randint(1, 250)))
    kind = host.rng.choice((0x12, 0x16, 0x17, 0x22))
    if kind == 0x22:
        dst = bytes((224, 0, 0, 22))
        body = wire.igmp(kind, 0, b"\0\0\0\x01" + b"\x04\0\0\0" + group)
    else:
        dst = bytes((224, 0, 0, 2)) if kind == 0x17 else group
        body = wire.igmp(kind, 0, group)
    return group_mac4(dst), "v4", wire.ip4(host.ip4, dst, 2, body, options=b"\x94\x04\0\0", ttl=1)


def mld_report(host, _peer):
    group = bytes.fromhex("ff02" + "00" * 11) + b"\0" + host.rng.randbytes(2)
    kind = host.rng.choice((131, 132, 143))
    if kind == 143:
        dst, rest = MLD2_ROUTERS, b"\0\0\0\x01" + b"\x04\0\0\0" + group
    else:
        dst, rest = ROUTERS6 if kind == 132 else group, bytes(4) + group
    body = wire.upper6(host.ip6, dst, 58, bytes((kind, 0, 0, 0)) + rest, 2)
    first, header = wire.options6(0, 58, b"\x05\x02\0\0\x01\0")
    return group_mac6(dst), "v6", wire.ip6(host.ip6, dst, first, header + body, hops=1)


def ipx(host, _peer):
    body = b"\xff\xff\0\x22\0\x11" + bytes(4) + b"\xff" * 6 + b"\x04\x52" + bytes(4) + host.mac \
        + b"\x40\x08\0\x03\0\x04"
    form = host.rng.randint(0, 3)
    if form == 0:
        return wire.BROADCAST, "raw", wire.ethertype(0x8137, body)
    if form == 1:
        return wire.BROADCAST, "raw", wire.dot3(body)
    if form == 2:
        return wire.BROADCAST, "raw", wire.dot3(wire.llc(0xE0, 0xE0, b"\x03", body))
    return wire.BROADCAST, "raw", wire.snap(b"\0\0\0", 0x8137, body)


def appletalk(host, _peer):
    if host.rng.random() < 0.5:
        body = struct.pack("!HHBBH", 1, 0x809B, 6, 4, 3) + host.mac + b"\0\xff\0\x01" + bytes(6) + b"\0\xff\0\x01"
        return wire.mac("09:00:07:ff:ff:ff"), "raw", wire.snap(b"\0\0\0", 0x80F3, body)
    return wire.mac("09:00:07:ff:ff:ff"), "raw", wire.snap(b"\x08\0\x07", 0x809B, b"\0\x20" + host.rng.randbytes(30))


def netbeui(host, _peer):
    body = bytes.fromhex("2c00ffef0a00") + host.rng.randbytes(6) + b"PARTY          \0" + b"HOST           \0"
    return wire.mac("03:00:00:00:00:01"), "raw", wire.dot3(wire.llc(0xF0, 0xF0, b"\x03", body))


def netbeui_session(host, peer):
    """LLC type 2: the control field has two bytes."""
    control = bytes((host.rng.randint(0, 127) << 1, host.rng.randint(0, 127) << 1))
    return peer.mac, "raw", wire.dot3(wire.llc(0xF0, 0xF0, control, host.data(14, 300)))


def wake_on_lan(host, peer):
    body = b"\xff" * 6 + peer.mac * 16
    if host.rng.random() < 0.5:
        return wire.BROADCAST, "raw", wire.ethertype(0x0842, body)
    return udp_broadcast(host, host.port(), 9, body)


def big_datagram(host, peer):
    """One piece of a 3,000-byte datagram."""
    datagram = struct.pack("!HHHH", host.port(), 27015, 3008, 0) + host.rng.randbytes(3000)
    piece = host.rng.randint(0, 2)
    part = datagram[1480 * piece:1480 * (piece + 1)]
    return peer.mac, "v4", wire.ip4(host.ip4, peer.ip4, 17, part, ident=host.rng.getrandbits(16),
                                    flags=1 if piece < 2 else 0, offset=185 * piece)


def extended6(host, peer):
    """An honest packet behind ordinary extension headers."""
    kinds = [kind for kind in (0, 60, 43, 51, 60) if host.rng.random() < 0.4] or [60]
    body = struct.pack("!HHHH", host.port(), host.port(), 40, 0) + host.rng.randbytes(32)
    first, headers = wire.chain(kinds, 17, host.rng)
    return peer.mac, "v6", wire.ip6(host.ip6, peer.ip6, first, headers + body)


def tunnel(host, peer):
    if host.rng.random() < 0.5:
        body = struct.pack("!HH", 0, 0x0800) + wire.ip4(peer.ip4, host.ip4, 6, wire.tcp(1, 2, 2))
        return peer.mac, "v4", wire.ip4(host.ip4, peer.ip4, 47, body)
    return peer.mac, "v4", wire.ip4(host.ip4, peer.ip4, host.rng.choice((50, 51, 103, 112, 132)), host.data(12, 200))


def esp6(host, peer):
    return peer.mac, "v6", wire.ip6(host.ip6, peer.ip6, host.rng.choice((50, 59, 132, 47)), host.data(12, 200))


def pppoe(host, _peer):
    return wire.BROADCAST, "raw", wire.ethertype(0x8863, b"\x11\x09\0\0\0\x04\x01\x01\0\0")


HONEST = (arp, dhcp_client, dhcpv6_client, dns_query, dns_answer6, mdns, llmnr, ssdp, netbios_name, netbios_datagram,
          minecraft, source_query, quake, game_udp, game_udp6, warcraft, ntp, torrent_lsd, syslog, tftp, rip, tcp4,
          tcp6, echo, unreachable, echo6, unreachable6, neighbor, router_solicitation, router_solicitation4,
          igmp_report, mld_report, ipx, appletalk, netbeui, netbeui_session, wake_on_lan, big_datagram, extended6,
          tunnel, esp6, pppoe)
