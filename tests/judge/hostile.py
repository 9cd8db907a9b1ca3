"""The corpus' hostile messages: the forbidden ones of FILTER-5 and FILTER-6 as (protocol, bytes) above IP, and
each way to hide them. An evasion returns (destination MAC, what follows the two addresses)."""

import struct

import traffic
import wire

SAPS = ((0xAA, 0xAA), (0xAA, 0xAB), (0xAB, 0xAA), (0xAA, 0x00), (0xAB, 0x00))
CONTROLS = (b"\x03", b"\x03", b"\x13", b"\x0f", b"\x00\x00", b"\x01\x00", b"\x02\x7f")
TAGS = (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300)
CHAIN = (0, 43, 51, 60, 135, 139, 140)
FIRST6 = (0, 43, 60)


# ---- what must not cross, above IPv4 and IPv6

def dhcp_reply(rng, host):
    return struct.pack("!BBBBIHH", 2, 1, 6, 0, rng.getrandbits(32), 0,
                       rng.choice((0, 0x8000, 0x7FFF, 0xFFFF))) + bytes(4) \
        + host.ip4 + host.ip4 + bytes(4) + host.mac + bytes(10 + 192) + bytes.fromhex("63825363") \
        + bytes((53, 1, rng.choice((2, 5, 6)), 255))


def forbidden4(host):
    rng = host.rng
    choice = rng.randint(0, 7)
    if choice <= 3:
        sport, dport = rng.choice(((67, 68), (67, 67), (67, host.port()), (host.port(), 68), (4011, 68), (68, 68), (68, 67),
                                    (host.port(), 67)))
        data = dhcp_reply(rng, host)
        return 17, struct.pack("!HHHH", sport, dport, rng.choice((8 + len(data), 0, 8)), 0) + data
    if choice == 4:
        return 1, wire.icmp4(5, rng.randint(0, 3), host.ip4 + host.data(28, 28))
    if choice == 5:
        return 1, wire.icmp4(9, rng.choice((0, 16)), b"\x01\x02\x07\x08" + host.ip4 + bytes(4))
    group = bytes(4) if choice == 6 else bytes((239, 1, 2, 3))
    return 2, wire.igmp(0x11, rng.choice((0, 100)),
                        group + rng.choice((b"", b"\x02\x7d\0\0", b"\x02\x7d\0\x01" + host.ip4)))


def neighbor6(host):
    """A Router Advertisement, a Redirect or an MLD query."""
    rng = host.rng
    choice = rng.randint(0, 2)
    if choice == 0:
        return bytes((134, 0, 0, 0)) + b"\x40\0\x07\x08" + bytes(8) + b"\x03\x04\x40\xc0" + bytes(12) \
            + bytes.fromhex("20010db8") + bytes(12)
    if choice == 1:
        return bytes((137, 0, 0, 0)) + bytes(4) + host.ip6 + host.ip6
    return bytes((130, 0, 0, 0)) + b"\x27\x10\0\0" + bytes(16) + rng.choice((b"", b"\x02\x7d\0\0"))


def dhcpv6_reply(host):
    rng = host.rng
    kind = rng.choice((2, 7, 10, 13))
    sport, dport = rng.choice(((547, 546), (547, 547), (host.port(), 546), (547, host.port()), (546, 546), (546, 547),
                                (host.port(), 547)))
    data = bytes((kind,)) + (bytes(33) if kind == 13 else rng.randbytes(3)) + b"\0\x01\0\x0a" + rng.randbytes(10)
    return struct.pack("!HHHH", sport, dport, rng.choice((8 + len(data), 0)), 0) + data


def forbidden6(host):
    return (58, neighbor6(host)) if host.rng.random() < 0.6 else (17, dhcpv6_reply(host))


def packet4(host, peer, message, **lie):
    rng = host.rng
    dst = rng.choice((b"\xff" * 4, peer.ip4, bytes((192, 168, 77, 255)), bytes((224, 0, 0, 1))))
    return wire.ip4(rng.choice((host.ip4, peer.ip4, bytes(4))), dst, message[0], message[1], **lie)


def packet6(host, peer, first, data, **lie):
    return wire.ip6(host.ip6, host.rng.choice((traffic.ALL_HOSTS6, peer.ip6)), first, data, **lie)


def message4(host, peer):
    """Mostly a forbidden message, else an honest one: (protocol, bytes)."""
    if host.rng.random() < 0.75:
        return forbidden4(host)
    return honest_above(host, peer, "v4")


def message6(host, peer):
    if host.rng.random() < 0.75:
        return forbidden6(host)
    return honest_above(host, peer, "v6")


def honest_above(host, peer, family):
    if family == "v6":
        function = host.rng.choice((traffic.echo6, traffic.game_udp6, traffic.dhcpv6_client, traffic.neighbor))
        packet = function(host, peer)[2]
        return packet[6], packet[40:240]
    function = host.rng.choice((traffic.echo, traffic.game_udp, traffic.dhcp_client, traffic.tcp4))
    packet = function(host, peer)[2]
    return packet[9], packet[20:240]


def some_mac(host, peer):
    return host.rng.choice((wire.BROADCAST, peer.mac, wire.mac("01:00:5e:00:00:01"), wire.mac("33:33:00:00:00:01")))


def v4(host, peer, packet):
    return some_mac(host, peer), wire.ethertype(0x0800, packet)


def v6(host, peer, packet):
    return some_mac(host, peer), wire.ethertype(0x86DD, packet)


# ---- the evasions

def ipv4_options(host, peer):
    rng = host.rng
    options = rng.choice((b"\x94\x04\0\0", b"\x01" * rng.randint(1, 40), b"\x07\x27\x04" + bytes(36),
                          b"\x83\x07\x04" + peer.ip4 + b"\0", b"\0" * 4, rng.randbytes(4 * rng.randint(1, 10))))
    return v4(host, peer, packet4(host, peer, message4(host, peer), options=options[:40]))


def ipv4_fragment(host, peer):
    rng = host.rng
    proto, body = message4(host, peer)
    options = rng.choice((b"", b"\x94\x04\0\0"))
    if rng.random() < 0.75:
        return v4(host, peer, packet4(host, peer, (proto, body[:8 * rng.randint(1, 6)]), flags=rng.choice((1, 5)),
                                      offset=0, options=options))
    return v4(host, peer, packet4(host, peer, (proto, body[8:]), flags=rng.choice((0, 1)),
                                  offset=rng.choice((1, 1, 2, 185, 8191)), options=options))


def tiny_first_fragment(host, peer):
    proto, body = message4(host, peer)
    return v4(host, peer, packet4(host, peer, (proto, body[:host.rng.randint(0, 8)]), flags=1))


def header_split(host, peer):
    """A transport header over two fragments, and one whose IP options push it out of the first."""
    rng = host.rng
    cut = rng.choice((0, 2, 4, 6, 7, 8, 12, 16))
    proto, body = message4(host, peer)
    if rng.random() < 0.4:
        body = wire.tcp(host.port(), 80, 2, b"\x02\x04\x05\xb4", b"x" * 20)
        proto = 6
    if rng.random() < 0.3:
        return v4(host, peer, packet4(host, peer, (proto, body[cut:]), offset=max(1, cut // 8)))
    return v4(host, peer, packet4(host, peer, (proto, body[:cut]), flags=1,
                                  options=rng.choice((b"", bytes(40), b"\x01" * 8))))


def ipv6_fragment(host, peer):
    rng = host.rng
    proto, body = message6(host, peer)
    offset = rng.choice((0, 0, 1, 2, 181))
    fragment = struct.pack("!BBHI", proto, rng.choice((0, 0, 0xFF)), offset << 3 | rng.choice((0, 1, 6)),
                           rng.getrandbits(32))
    kinds = [rng.choice(CHAIN) for _ in range(rng.choice((0, 0, 1, 2)))]
    first, headers = wire.chain(kinds, 44, rng)
    data = fragment + body
    if rng.random() < 0.1:
        data = data[:rng.randint(0, 8)]
    return v6(host, peer, packet6(host, peer, first, headers + data))


def ipv6_headers(host, peer):
    """Extension headers in any order and number."""
    rng = host.rng
    proto, body = message6(host, peer)
    kinds = [rng.choice(CHAIN) for _ in range(rng.choice((1, 2, 3, 5, 8, 16, 24)))]
    first, headers = wire.chain(kinds, proto, rng)
    if len(headers) + len(body) > 1450:
        kinds = kinds[:3]
        first, headers = wire.chain(kinds, proto, rng)
    return v6(host, peer, packet6(host, peer, first, headers + body))


def chain_past_the_end(host, peer):
    """A chain that runs past the packet, or stops short of its message."""
    rng = host.rng
    proto, body = message6(host, peer)
    first, headers = wire.chain([rng.choice(FIRST6) for _ in range(rng.randint(1, 4))], proto, rng)
    choice = rng.randint(0, 3)
    if choice == 0:
        headers = headers[:1] + bytes((rng.choice((1, 8, 60, 255)),)) + headers[2:]
    elif choice == 1:
        return v6(host, peer, packet6(host, peer, first, headers + body, plen=rng.randint(0, len(headers) + 8)))
    elif choice == 2:
        return v6(host, peer, packet6(host, peer, first, headers + body[:rng.randint(0, 8)]))
    else:
        return v6(host, peer, packet6(host, peer, first, (headers + body)[:rng.randint(0, len(headers))]))
    return v6(host, peer, packet6(host, peer, first, headers + body))


def nd_behind_headers(host, peer):
    rng = host.rng
    body = neighbor6(host) if rng.random() < 0.85 else traffic.neighbor(host, peer)[2][40:]
    first, headers = wire.chain([rng.choice(FIRST6) for _ in range(rng.randint(1, 4))], 58, rng)
    return v6(host, peer, packet6(host, peer, first, headers + body))


def dhcp_odd(host, peer):
    """DHCP over broadcast, unicast, with odd flags and odd ports; and what only looks like it."""
    rng = host.rng
    data = dhcp_reply(rng, host) if rng.random() < 0.8 else rng.randbytes(20)
    sport, dport = rng.choice(((67, 68), (67, 67), (67, 4011), (67, host.port()), (host.port(), 68), (68, 68), (0, 68),
                               (67, 0), (68, 67), (host.port(), 67), (68, host.port()), (host.port(), 69), (66, 67)))
    segment = struct.pack("!HHHH", sport, dport, rng.choice((8 + len(data), 8, 0, 65535)),
                          rng.choice((0, 0xBEEF))) + data
    return v4(host, peer, packet4(host, peer, (rng.choice((17, 17, 17, 17, 136)), segment),
                                  flags=rng.choice((0, 2, 4))))


def dhcpv6_relay(host, peer):
    rng = host.rng
    if rng.random() < 0.8:
        body = dhcpv6_reply(host)
    else:
        body = struct.pack("!HHHH", 546, 547, 40, 0) + bytes((rng.choice((1, 3, 12)),)) + rng.randbytes(31)
    return v6(host, peer, packet6(host, peer, 17, body, hops=rng.choice((1, 64))))


INNER = (ipv4_options, ipv4_fragment, tiny_first_fragment, header_split, ipv6_fragment, ipv6_headers,
         chain_past_the_end, nd_behind_headers, dhcp_odd, dhcpv6_relay)


def encapsulated(host, peer):
    """Each of the above, and the plain messages, inside LLC or SNAP; with lengths that lie, and padding."""
    rng = host.rng
    if rng.random() < 0.35:
        family = rng.choice((4, 6))
        dst = some_mac(host, peer)
        if family == 4:
            kind, packet = 0x0800, packet4(host, peer, message4(host, peer))
        else:
            proto, body = message6(host, peer)
            kind, packet = 0x86DD, packet6(host, peer, proto, body)
    else:
        dst, rest = rng.choice(INNER)(host, peer)
        kind, packet = struct.unpack("!H", rest[:2])[0], rest[2:]
    packet = packet[:1450]
    choice = rng.random()
    if kind == 0x0800 and choice < 0.2:
        rest = wire.dot3(wire.llc(rng.choice((6, 6, 7)), rng.choice((6, 7, 0)), rng.choice(CONTROLS), packet))
    elif choice < 0.3:  # an OUI that carries no ethertypes: nobody reads an IP packet there
        rest = wire.snap(rng.choice((b"\x08\0\x07", b"\0\x80\xc2", rng.randbytes(3))), kind, packet)
    else:
        oui = rng.choice((b"\0\0\0", b"\0\0\xf8"))
        rest = wire.snap(oui, kind, packet, saps=rng.choice(SAPS), control=rng.choice(CONTROLS))
    if rng.random() < 0.1:
        length = struct.unpack("!H", rest[:2])[0]
        rest = struct.pack("!H", max(0, min(length, length - rng.choice((1, 8, 20, length - 4))))) + rest[2:]
    return dst, rest + bytes(rng.choice((0, 0, 12)))


def plain(host, peer):
    """A message in Ethernet II, forbidden or honest: (destination, bytes)."""
    if host.rng.random() < 0.5:
        return v4(host, peer, packet4(host, peer, message4(host, peer)))
    proto, body = message6(host, peer)
    return v6(host, peer, packet6(host, peer, proto, body))


def stacked_tags(host, peer):
    rng = host.rng
    dst, rest = plain(host, peer)
    for _ in range(rng.choice((2, 2, 2, 3, 4, 8))):
        rest = wire.tag(rng.choice((0x8100, 0x88A8)), rng.randint(0, 0xFFFF), rest)
    return dst, rest if rng.random() < 0.85 else rest[:rng.randint(2, 11)]


def odd_tags(host, peer):
    """Tags of other types, more than one, inside SNAP too; and what other switches' tags look like."""
    rng = host.rng
    dst, rest = plain(host, peer)
    choice = rng.randint(0, 3)
    if choice == 0:
        return dst, wire.ethertype(rng.choice((0x88E7, 0x8926, 0x893F)), rng.randbytes(4) + rest)
    if choice == 1:
        return dst, wire.snap(b"\0\0\0", rng.choice(TAGS + (0x88E7, 0x8926, 0x893F)), rng.randbytes(2) + rest)
    for _ in range(rng.choice((1, 1, 2))):
        rest = wire.tag(rng.choice((0x9100, 0x9200, 0x9300, 0x88A8)), rng.randint(0, 0xFFFF), rest)
    return dst, rest


def priority_tag(host, peer):
    rng = host.rng
    dst, rest = plain(host, peer)
    if rng.random() < 0.2:
        rest = encapsulated(host, peer)[1]
    return dst, wire.tag(rng.choice((0x8100, 0x8100, 0x88A8)), rng.randint(0, 15) << 12, rest)


def cut_llc(host, peer):
    """LLC that its length cuts off, with a whole message behind the end."""
    rng = host.rng
    saps = rng.choice(((6, 6), (7, 6), (0x42, 0x42), (0xE0, 0x42), (0x43, 0), (0xAA, 0xAA), (0xE0, 0xE0)))
    header = wire.llc(*saps, rng.choice(CONTROLS + (b"\xba",)), rng.choice((b"", b"\0\0\0\x08\0")))
    return some_mac(host, peer), wire.dot3(header + packet4(host, peer, forbidden4(host)),
                                           rng.choice((1, 2, 3, rng.randint(0, 9))))


def short_lengths(host, peer):
    """Zero and short lengths in every header that has one."""
    rng = host.rng
    choice = rng.randint(0, 8)
    if choice == 8:
        return cut_llc(host, peer)
    if choice == 0:
        return some_mac(host, peer), wire.dot3(rng.choice((b"\xaa\xaa\x03\0\0\0\x08\0", b"\xe0\xe0\x03",
                                                           b"\x42\x42\x03", rng.randbytes(8)))
                                               + bytes(40), rng.randint(0, 8))
    if choice == 1:
        return v4(host, peer, packet4(host, peer, message4(host, peer), total=rng.choice((0, 1, 19, 20, 21, 27, 28))))
    if choice == 2:
        return v4(host, peer, packet4(host, peer, message4(host, peer), ihl=rng.choice((0, 1, 4, 15))))
    if choice == 3:
        return v6(host, peer, packet6(host, peer, *message6(host, peer), plen=rng.choice((0, 0, 1, 7, 8))))
    if choice == 4:
        dst, rest = plain(host, peer)
        return dst, rest[:2 + rng.randint(0, 44)]
    if choice == 5:
        data = rng.randbytes(rng.choice((0, 1, 20)))
        ports = rng.choice(((67, 68), (host.port(), host.port())))
        return v4(host, peer, packet4(host, peer,
                                      (17, struct.pack("!HHHH", *ports, rng.choice((0, 1, 7, 8)), 0) + data)))
    if choice == 6:
        return some_mac(host, peer), wire.dot3(rng.randbytes(rng.randint(0, 60)),
                                               rng.choice((0, 1, 2, 3, 1500, 1501, 1535)))
    return v6(host, peer, packet6(host, peer, rng.choice((0, 60, 43, 51)),
                                  b"\x3a\0" + rng.randbytes(rng.randint(0, 20))))


def total_below(host, peer):
    """IPv4's total length (IPv6's payload length) ends before the message does."""
    rng = host.rng
    if rng.random() < 0.25:
        proto, body = message6(host, peer)
        return v6(host, peer, packet6(host, peer, proto, body, plen=rng.randint(0, len(body))))
    proto, body = message4(host, peer)
    options = rng.choice((b"", b"", b"\x94\x04\0\0"))
    whole = 20 + len(options) + len(body)
    return v4(host, peer, packet4(host, peer, (proto, body), options=options,
                                  total=rng.choice((rng.randint(0, whole), whole - 1, 20 + len(options) + 8))))


def total_above(host, peer):
    rng = host.rng
    beyond = rng.choice((1, 2, 8, 20, 1000, 40000))
    if rng.random() < 0.25:
        proto, body = message6(host, peer)
        return v6(host, peer, packet6(host, peer, proto, body, plen=len(body) + beyond))
    proto, body = message4(host, peer)
    return v4(host, peer, packet4(host, peer, (proto, body), total=20 + len(body) + beyond))


def second_packet(host, peer):
    """A frame padded with a second packet: an honest one first and a forbidden one behind, and the reverse."""
    rng = host.rng
    family, second = rng.choice(("v4", "v6")), forbidden4(host)
    hidden = packet4(host, peer, second)[:500]
    if rng.random() < 0.5:
        hidden = packet6(host, peer, *forbidden6(host))[:500]
    if rng.random() < 0.3:
        family4 = packet4(host, peer, forbidden4(host))
        return v4(host, peer, family4 + traffic.echo(host, peer)[2][:200])
    function = rng.choice((traffic.source_query, traffic.ntp, traffic.igmp_report) if family == "v4"
                          else (traffic.neighbor, traffic.router_solicitation, traffic.mld_report))
    dst, family, packet = function(host, peer)
    kind = 0x0800 if family == "v4" else 0x86DD
    if rng.random() < 0.2:
        return dst, wire.snap(b"\0\0\0", kind, packet) + hidden
    return dst, wire.ethertype(kind, packet + hidden)


EVASIONS = INNER + (encapsulated, stacked_tags, odd_tags, priority_tag, short_lengths, total_below, total_above,
                    second_packet)
