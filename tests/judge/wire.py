"""Packets as raw bytes for the corpus' generator: no library, so that a lie in any field is one argument away."""

import struct

BROADCAST = b"\xff" * 6


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pad(frame):
    """As Ethernet does: to 60 bytes."""
    return frame + bytes(max(0, 60 - len(frame)))


# ---- framing: what follows the two addresses

def ethertype(kind, payload):
    return struct.pack("!H", kind) + payload


def dot3(body, length=None):
    return struct.pack("!H", len(body) if length is None else length) + body


def llc(dsap, ssap, control, body):
    return bytes((dsap, ssap)) + control + body


def snap(oui, kind, payload, length=None, saps=(0xAA, 0xAA), control=b"\x03"):
    return dot3(llc(*saps, control, oui + struct.pack("!H", kind) + payload), length)


def tag(tpid, tci, inner):
    return struct.pack("!HH", tpid, tci) + inner


# ---- IPv4 and what it carries

def ip4(src, dst, proto, body, **lie):
    """Fields that lie: options, ident, flags, offset (in 8 bytes), ihl, total, version, ttl."""
    options = lie.get("options", b"")
    options += bytes(-len(options) % 4)
    ihl = lie.get("ihl", 5 + len(options) // 4)
    total = lie.get("total", 20 + len(options) + len(body))
    fragment = lie.get("flags", 0) << 13 | lie.get("offset", 0)
    head = struct.pack("!BBHHHBBH4s4s", lie.get("version", 4) << 4 | ihl, 0, total & 0xFFFF, lie.get("ident", 1),
                       fragment, lie.get("ttl", 64), proto, 0, src, dst) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def udp4(src, dst, sport, dport, data, **lie):
    length = lie.pop("udp_length", 8 + len(data))
    segment = struct.pack("!HHHH", sport, dport, length, 0) + data
    pseudo = src + dst + struct.pack("!HH", 17, 8 + len(data))
    segment = segment[:6] + struct.pack("!H", checksum(pseudo + segment) or 0xFFFF) + data
    return ip4(src, dst, 17, segment, **lie)


def sum_at(data, at, pseudo=b""):
    return data[:at] + struct.pack("!H", checksum(pseudo + data)) + data[at + 2:]


def icmp4(kind, code, rest):
    return sum_at(bytes((kind, code, 0, 0)) + rest, 2)


def igmp(kind, code, rest):
    return sum_at(bytes((kind, code, 0, 0)) + rest, 2)


def tcp(sport, dport, flags, options=b"", data=b""):
    options += b"\x01" * (-len(options) % 4)
    return struct.pack("!HHIIBBHHH", sport, dport, 1000, 2000, (5 + len(options) // 4) << 4, flags, 64240, 0,
                       0) + options + data


# ---- IPv6

def ip6(src, dst, kind, body, **lie):
    """Fields that lie: plen, version, hops."""
    head = struct.pack("!IHBB", lie.get("version", 6) << 28, lie.get("plen", len(body)) & 0xFFFF, kind,
                       lie.get("hops", 255))
    return head + src + dst + body


def upper6(src, dst, kind, body, at):
    """The body with its checksum at this place."""
    return sum_at(body, at, src + dst + struct.pack("!II", len(body), kind))


def options6(kind, following, data=b"\x01\x04\0\0\0\0"):
    """Hop-by-hop or destination options: (kind of this header, bytes); data is padded to whole 8 bytes."""
    size = len(data) + 2
    data += bytes(-size % 8)
    return kind, bytes((following, (len(data) + 2) // 8 - 1)) + data


def chain(kinds, last, rng):
    """Extension headers of these kinds in front of protocol `last`: (first kind, bytes)."""
    data, following = b"", last
    for kind in reversed(kinds):
        if kind == 51:
            words = rng.choice((1, 4, 4, 7))
            header = bytes((following, words)) + rng.randbytes(4 * (words + 2) - 2)
        elif kind == 44:
            header = struct.pack("!BBHI", following, 0, 0, rng.getrandbits(32))
        elif kind == 43:
            count = rng.choice((0, 1, 2))
            header = bytes((following, 2 * count, rng.choice((0, 2, 3, 4)), rng.randint(0, count))) + bytes(4) \
                + rng.randbytes(16 * count)
        else:
            size = rng.choice((6, 6, 6, 14, 22, 54))
            header = options6(kind, following, b"\x01" + bytes((size - 2,)) + bytes(size - 2))[1]
        data, following = header + data, kind
    return following, data
