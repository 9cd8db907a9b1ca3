"""The part of the corpus that leaves nothing to chance: every value of the small fields, at the borders of each
rule. Yields (direction, destination MAC, what follows the two addresses, MTU)."""

import itertools
import struct

import hostile
import traffic
import wire

REMOTE, LAN = 0, 1
BOTH = (REMOTE, LAN)
SAPS = ((0x06, 0x06), (0x07, 0x00), (0x42, 0x42), (0x42, 0x00), (0xE0, 0x43), (0xAA, 0xAA), (0xAB, 0x00), (0xE0, 0xE0))
CONTROLS = (b"\x03", b"\x13", b"\x00\x00", b"\x01\x00", b"\xba\x03")


def destinations(host, _peer):
    """Around the switches' addresses, with an honest frame behind them, with one that is cut off and one in a tag."""
    bases = [wire.mac("01:80:c2:00:00:%02x" % low) for low in range(0x50)]
    bases += [wire.mac(f"01:00:0c:{middle}:{low}") for middle in ("cc:cc", "cd:cd", "cc:cd", "cd:cc", "dd:dd")
              for low in ("cb", "cc", "cd", "ce", "cf", "d0", "d1", "dc", "dd", "de")]
    bases += [wire.mac(text) for text in ("00:80:c2:00:00:00", "01:80:c2:00:01:00", "01:80:c2:01:00:00",
                                          "01:00:5e:00:00:01")]
    for dst, direction in itertools.product(bases, BOTH):
        yield direction, dst, wire.ethertype(0x88B5, host.data(46, 46)), 1500
        if direction == LAN:
            yield direction, dst, wire.dot3(bytes(46), host.rng.randint(0, 2)), 1500
            yield direction, dst, wire.tag(0x8100, 1, wire.ethertype(0x88B5, bytes(46))), 1500


def types(host, peer):
    """Around the ethertypes that a rule names, plain, tagged and in SNAP of several OUIs."""
    named = hostile.TAGS + (0x8808, 0x8809, 0x888E, 0x8899, 0x88CC, 0x88F5, 0x88F6, 0x8902, 0x9000, 0x88E7, 0x8926, 0x893F,
                            0x0800, 0x86DD, 0x0806, 0x8137)
    near = sorted({kind + step for kind in named for step in (-1, 0, 1)})
    for kind, direction in itertools.product(near, BOTH):
        if kind == 0x0800:
            body = hostile.packet4(host, peer, hostile.forbidden4(host))
        else:
            body = host.data(46, 46)
        yield direction, peer.mac, wire.ethertype(kind, body), 1500
        if direction == LAN:
            yield direction, peer.mac, wire.tag(0x88A8, 7, wire.ethertype(kind, body)), 1500
        for oui in (b"\0\0\0", b"\0\0\xf8", b"\0\0\xf7", b"\0\0\x0c"):
            yield direction, peer.mac, wire.snap(oui, kind, body), 1500
    for protocol, direction in itertools.product((*range(0x100, 0x114), *range(0x1FFE, 0x2008)), BOTH):
        for oui in (b"\0\0\x0c", b"\0\0\x0d", b"\x01\0\x0c", b"\0\0\0"):
            yield direction, peer.mac, wire.snap(oui, protocol, host.data(30, 46)), 1500


def link_headers(host, peer):
    """Each LLC header with each short length; IPv4 behind it, or what SNAP has in front of that."""
    for saps, control, length, direction in itertools.product(SAPS, CONTROLS, (*range(11), None), BOTH):
        packet = hostile.packet4(host, peer, hostile.forbidden4(host))
        oui = b"\0\0\0\x08\0" if saps[0] & 0xFE == 0xAA else b""
        yield direction, peer.mac, wire.dot3(wire.llc(*saps, control, oui + packet), length), 1500
    for dsap, direction in itertools.product(range(256), BOTH):
        yield direction, peer.mac, wire.dot3(wire.llc(dsap, 0, b"\x03", bytes(43))), 1500
        yield direction, peer.mac, wire.dot3(wire.llc(0xF0, dsap, b"\x03", bytes(43))), 1500


def lengths(host, peer):
    """The borders of 802.3 lengths, of the MTU and of 1500, with tags and without; frames of few bytes."""
    for limit, over, tags, direction in itertools.product((1500, 1406, 1280), (-1, 0, 1, 2, 4, 5, 8, 9), range(4),
                                                          BOTH):
        for mtu in (limit, 0, 1500):
            rest = wire.ethertype(0x88B5, bytes(limit + over))
            for _ in range(tags):
                rest = wire.tag(0x8100, 1, rest)
            yield direction, peer.mac, rest, mtu
    for length, size, direction in itertools.product((0, 1, 45, 46, 47, 1499, 1500, 1501, 1535, 1536),
                                                     (0, 1, 46, 1500), BOTH):
        yield direction, peer.mac, struct.pack("!H", length) + b"\xff\xff" * (size // 2) + bytes(size % 2), 1500
    for size, kind, direction in itertools.product(range(30), (0x0800, 0x86DD, 0x8100, 0x9300, 0x0806, 0x0001), BOTH):
        data = wire.ethertype(kind, b"\x81\0" * 20) if host.rng.random() < 0.5 else wire.ethertype(kind, bytes(40))
        yield direction, peer.mac, data[:size], 1500


def ipv4(host, peer):
    """Each protocol with each small body; each ICMP and IGMP type; ports; versions, header and total lengths."""
    def packet(proto, body, **lie):
        return REMOTE, peer.mac, wire.ethertype(0x0800, hostile.packet4(host, peer, (proto, body), **lie)), 1500

    for proto in range(256):
        yield packet(proto, host.data(8, 30))
        yield packet(proto, bytes(7))
    for proto, size, flags in itertools.product((1, 2, 6, 17, 136, 50), range(10), (0, 1)):
        yield packet(proto, bytes(size), flags=flags)
        yield packet(proto, bytes(size), flags=flags, options=bytes(8))
    for kind in range(256):
        yield packet(1, bytes((kind,)) + bytes(7))
        yield packet(2, bytes((kind,)) + bytes(7))
        yield packet(58, bytes((kind,)) + bytes(7))
    for sport, dport, proto in itertools.product((0, 66, 67, 68, 69, 5000), (0, 66, 67, 68, 69, 5000), (17, 6, 136)):
        yield packet(proto, struct.pack("!HHHH", sport, dport, 12, 0) + bytes(12))
    for first, sport in itertools.product(range(256), (68, 5000)):
        yield packet(17, struct.pack("!HHHH", sport, 67, 12, 0) + bytes((first,)) + bytes(11))
    for size, sport, flags in itertools.product(range(3), (68, 5000), (0, 1)):
        yield packet(17, struct.pack("!HHHH", sport, 67, 8 + size, 0) + b"\x02" * size, flags=flags)
    reply = struct.pack("!HHHH", 67, 68, 12, 0) + bytes(4)
    for version, ihl in itertools.product(range(16), range(16)):
        yield packet(17, reply, version=version, ihl=ihl)
    for total in range(45):
        yield packet(17, reply, total=total)
        yield packet(17, reply, total=total, options=b"\x94\x04\0\0")
    for flags, offset in itertools.product(range(8), (0, 1, 2, 3, 0x1000, 0x1FFF)):
        yield packet(17, reply, flags=flags, offset=offset)


def ipv6(host, peer):
    """The same; each next header in front of a message, and each size of the headers that are followed."""
    def packet(first, body, **lie):
        return REMOTE, peer.mac, wire.ethertype(0x86DD, hostile.packet6(host, peer, first, body, **lie)), 1500

    advertisement = b"\x86" + bytes(15)
    for kind in range(256):
        yield packet(kind, b"\x3a\0" + bytes(6) + advertisement)
        yield packet(0, bytes((kind, 0)) + bytes(6) + b"\x3a\0" + bytes(6) + advertisement)
        yield packet(kind, bytes(7))
        yield packet(58, bytes((kind,)) + bytes(7))
        yield packet(60, b"\x3a\0" + bytes(6) + bytes((kind,)) + bytes(7))
    for kind, units in itertools.product((0, 43, 51, 60, 135, 139, 140), range(8)):
        unit, extra = (4, 2) if kind == 51 else (8, 1)
        for wrong in (-1, 0, 1):
            header = bytes((58, units)) + bytes(max(6, unit * (units + extra + wrong) - 2))
            yield packet(kind, header + advertisement)
    for sport, dport, proto in itertools.product((0, 545, 546, 547, 548, 5000), (0, 545, 546, 547, 548, 5000),
                                                 (17, 6, 136)):
        yield packet(proto, struct.pack("!HHHH", sport, dport, 12, 0) + bytes(12))
    for first, sport in itertools.product(range(256), (546, 5000)):
        yield packet(17, struct.pack("!HHHH", sport, 547, 12, 0) + bytes((first,)) + bytes(11))
    for size, sport in itertools.product(range(3), (546, 5000)):
        yield packet(17, struct.pack("!HHHH", sport, 547, 8 + size, 0) + b"\x02" * size)
    for version in range(16):
        yield packet(58, advertisement, version=version)
        yield packet(58, traffic.echo6(host, peer)[2][40:], version=version)
    for plen in range(30):
        yield packet(58, advertisement, plen=plen)
        yield packet(60, b"\x3a\0" + bytes(6) + advertisement, plen=plen)
    for count in range(120):
        data = (b"\x3c\0" + bytes(6)) * count + b"\x3a\0" + bytes(6) + advertisement
        yield packet(60, data)
    for offset, more in itertools.product((0, 1, 8, 0x1FFF), (0, 1, 6)):
        yield packet(44, struct.pack("!BBHI", 58, 0, offset << 3 | more, 7) + advertisement)


TABLES = (destinations, types, link_headers, lengths, ipv4, ipv6)
