"""The corpus for the two judges: frames of every FILTER row, every evasion, honest traffic, and mutations of all of
them. Seeded: the same seed, the same bytes. A record's labels count for the quotas only; no judge sees them."""

import collections
import random
import struct

import hostile
import tables
import traffic
import wire

REMOTE, LAN = 0, 1
SEED = 20260
EACH = 600           # frames of each FILTER row and of each evasion
HONEST_SHARE = 0.45  # of the whole corpus
MUTATIONS = 3000

Record = collections.namedtuple("Record", "direction mtu announced frame labels")

SWITCH_MACS = [wire.mac("01:80:c2:00:00:%02x" % low) for low in (*range(0x10), *range(0x20, 0x30))] \
    + [wire.mac(text) for text in ("01:00:0c:cc:cc:cc", "01:00:0c:cc:cc:cd", "01:00:0c:cd:cd:cd", "01:00:0c:cd:cd:d0")]
SWITCH_TYPES = (0x8808, 0x8809, 0x888E, 0x8899, 0x88CC, 0x88F5, 0x88F6, 0x8902, 0x9000)
CISCO = (0x0104, 0x010B, 0x010C, 0x0111, 0x2000, 0x2001, 0x2003, 0x2004)

# Byte values that mean something to a parser.
TELLING = (0, 1, 2, 5, 6, 9, 17, 43, 44, 51, 58, 59, 60, 67, 68, 0x42, 0x45, 0x60, 0xAA, 0x81, 130, 134, 135, 136, 137,
           139, 140, 255)


class Generator:
    def __init__(self, seed=SEED):
        self.rng = random.Random(seed)
        self.records = []

    def hosts(self, direction):
        """The sender and another machine; a remote sender has an announced MAC (locally administered)."""
        rng = self.rng
        mac = bytes((rng.choice((0x02, 0x06, 0x52, 0xFE)),)) + rng.randbytes(5) if direction == REMOTE else None
        return traffic.Host(rng, mac), traffic.Host(rng)

    def mtu(self):
        return self.rng.choice((0, 1500, 1500, 1500, 1406, 1280))

    def direction(self, remote=0.8):
        return REMOTE if self.rng.random() < remote else LAN

    def add(self, direction, host, dst, rest, *labels, **other):
        """Adds the frame `dst`, the host's MAC (or another source), `rest`."""
        frame = other.get("frame", dst + other.get("src", host.mac) + rest)
        if other.get("pad", self.rng.random() < 0.5):
            frame = wire.pad(frame)
        announced = host.mac if direction == REMOTE and self.rng.random() < 0.95 else None
        self.records.append(Record(direction, other.get("mtu", self.mtu()), other.get("announced", announced), frame,
                                   frozenset(labels)))

    # ---- honest traffic

    def honest(self, function, direction):
        host, peer = self.hosts(direction)
        dst, family, data = function(host, peer)
        rest = data if family == "raw" else wire.ethertype(0x0800 if family == "v4" else 0x86DD, data)
        mtu = self.rng.choice((0, 1500, 1500, len(rest) - 2 if len(rest) > 1280 else 1400))
        self.add(direction, host, dst, rest, "valid", function.__name__,
                 mtu=max(mtu, 0) if len(rest) - 2 > mtu else mtu)

    def honest_lan(self):
        """What only a LAN may send into the room."""
        host, peer = self.hosts(LAN)
        choice = self.rng.randint(0, 3)
        if choice == 0:
            dst, rest = hostile.v4(host, peer, hostile.packet4(host, peer, hostile.forbidden4(host)))
        elif choice == 1:
            dst, rest = hostile.v6(host, peer, hostile.packet6(host, peer, *hostile.forbidden6(host)))
        elif choice == 2:
            dst, rest = hostile.ipv6_fragment(host, peer)
        else:
            dst, rest = hostile.plain(host, peer)
            for _ in range(self.rng.choice((1, 1, 2))):
                rest = wire.tag(self.rng.choice((0x8100, 0x88A8)), self.rng.randint(0, 4095), rest)
        self.add(LAN, host, dst, rest, "valid", "lan_only", mtu=1500)

    # ---- FILTER rows

    def honest_rest(self, host, peer):
        dst, family, data = self.rng.choice(traffic.HONEST)(host, peer)
        return dst, data if family == "raw" else wire.ethertype(0x0800 if family == "v4" else 0x86DD, data)

    def row1(self):
        """Source MAC a group address, broadcast or zero."""
        direction = self.direction(0.5)
        host, peer = self.hosts(direction)
        dst, rest = self.honest_rest(host, peer)
        src = self.rng.choice((bytes(6), wire.BROADCAST, bytes((host.mac[0] | 1,)) + host.mac[1:],
                               wire.mac("01:00:5e:00:00:fb")))
        self.add(direction, host, dst, rest, "FILTER-1", src=src,
                 announced=self.rng.choice((None, host.mac, src)) if direction == REMOTE else None)

    def row2(self):
        """A remote's source MAC that is not the announced one: another machine's, or one bit of difference."""
        host, peer = self.hosts(REMOTE)
        dst, rest = self.honest_rest(host, peer)
        at = self.rng.randint(0, 5)
        near = host.mac[:at] + bytes((host.mac[at] ^ (1 << self.rng.randint(1, 7)),)) + host.mac[at + 1:]
        self.add(REMOTE, host, dst, rest, "FILTER-2", src=self.rng.choice((peer.mac, near, near)), announced=host.mac)

    def row3(self):
        """Switch control by destination, by ethertype (tagged and in SNAP too), by LLC address, by Cisco's SNAP."""
        rng = self.rng
        direction = self.direction(0.5)
        host, peer = self.hosts(direction)
        dst, rest = self.honest_rest(host, peer)
        choice = rng.randint(0, 6)
        if choice <= 1:  # whatever the rest is
            if choice == 1:
                rest = rng.choice((hostile.encapsulated, hostile.cut_llc, hostile.ipv6_headers))(host, peer)[1]
            dst = rng.choice(SWITCH_MACS)
        elif choice == 2:
            rest = wire.ethertype(rng.choice(SWITCH_TYPES), host.data(2, 60))
        elif choice == 3:
            sap = rng.choice(((0x42, 0x42), (0x43, 0x42), (0x42, 0x43), (0x42, 0xE0), (0xE0, 0x43), (0xAA, 0x42),
                              (0x06, 0x43)))
            rest = wire.dot3(wire.llc(*sap, rng.choice((b"\x03", b"\0\0")), bytes(4) + host.data(31, 31)))
        elif choice == 4:
            rest = wire.snap(b"\0\0\x0c", rng.choice(CISCO), host.data(10, 80), saps=rng.choice(hostile.SAPS),
                             control=rng.choice(hostile.CONTROLS))
        elif choice == 5:
            rest = wire.snap(rng.choice((b"\0\0\0", b"\0\0\xf8")), rng.choice(SWITCH_TYPES), host.data(2, 60),
                             saps=rng.choice(hostile.SAPS), control=rng.choice(hostile.CONTROLS))
        else:
            rest = wire.ethertype(rng.choice(SWITCH_TYPES), host.data(2, 60))
        if choice == 6 or (direction == LAN and rng.random() < 0.3):
            for _ in range(rng.choice((1, 2))):
                rest = wire.tag(rng.choice(hostile.TAGS), rng.randint(0, 0xFFFF), rest)
        self.add(direction, host, dst, rest, "FILTER-3")

    def near3(self):
        """Beside the row's borders: other groups, types, SAPs and protocols."""
        rng = self.rng
        direction = self.direction(0.5)
        host, peer = self.hosts(direction)
        dst, rest = self.honest_rest(host, peer)
        choice = rng.randint(0, 3)
        if choice == 0:
            dst = rng.choice([wire.mac("01:80:c2:00:00:%02x" % low) for low in (0x10, 0x1F, 0x30, 0x3F, 0x80, 0xF0)]
                             + [wire.mac(text) for text in ("01:80:c2:00:01:00", "01:80:c3:00:00:00",
                                                            "01:00:0c:cc:cc:ce",
                                                            "01:00:0c:cc:cd:cc", "01:00:0c:cd:cd:cf",
                                                            "01:00:0c:cd:cd:cc")])
        elif choice == 1:
            rest = wire.ethertype(rng.choice((0x8807, 0x880A, 0x888D, 0x888F, 0x88CB, 0x88F4, 0x88F7, 0x8901, 0x9001)),
                                  host.data(2, 60))
        elif choice == 2:
            rest = wire.dot3(wire.llc(rng.choice((0x40, 0x41, 0x44, 0xC2)), rng.choice((0x40, 0x46, 0x02)), b"\x03",
                                      host.data(35, 35)))
        else:
            rest = wire.snap(rng.choice((b"\0\0\x0c", b"\0\0\x0d", b"\0\x0c\0")),
                             rng.choice((0x0103, 0x0105, 0x0110, 0x2001, 0x2005)), host.data(10, 80))
        self.add(direction, host, dst, rest, "beside")

    def row4(self):
        rng = self.rng
        host, peer = self.hosts(REMOTE)
        dst, rest = self.honest_rest(host, peer)
        tci = rng.choice((rng.randint(0, 0xFFFF), rng.randint(0, 7) << 13, 1))
        self.add(REMOTE, host, dst, wire.tag(rng.choice(hostile.TAGS), tci, rest), "FILTER-4")

    def row5(self):
        host, peer = self.hosts(REMOTE)
        options = self.rng.choice((b"", b"\x94\x04\0\0", b"\x01" * 8))
        packet = hostile.packet4(host, peer, hostile.forbidden4(host), options=options)
        self.add(REMOTE, host, *hostile.v4(host, peer, packet), "FILTER-5")

    def row6(self):
        host, peer = self.hosts(REMOTE)
        proto, body = hostile.forbidden6(host)
        first, headers = wire.chain([self.rng.choice(hostile.FIRST6) for _ in range(self.rng.choice((0, 0, 1, 2)))],
                                    proto, self.rng)
        self.add(REMOTE, host, *hostile.v6(host, peer, hostile.packet6(host, peer, first, headers + body)), "FILTER-6")

    def row7(self):
        host, peer = self.hosts(REMOTE)
        evasion = self.rng.choice((hostile.ipv6_fragment, hostile.ipv6_fragment, hostile.chain_past_the_end))
        self.add(REMOTE, host, *evasion(host, peer), "FILTER-7")

    def row8(self):
        """Around the room's MTU and around 1500, tagged too."""
        rng = self.rng
        direction = self.direction(0.5)
        host, peer = self.hosts(direction)
        limit = rng.choice((1500, 1500, 1406, 1280))
        size = limit + rng.choice((1, 1, 2, 4, 8, 500, 3000))
        if rng.random() < 0.1:
            size = limit - rng.choice((0, 0, 1))
        packet = wire.udp4(host.ip4, peer.ip4, host.port(), host.port(), rng.randbytes(size - 28))
        rest = wire.ethertype(0x0800, packet)
        if rng.random() < 0.3:
            length = rng.choice((size, 40, 1500))
            rest = struct.pack("!H", min(length, 1500, size)) + b"\xff\xff" + packet[2:]
        if direction == LAN and rng.random() < 0.5:
            for _ in range(rng.choice((1, 2))):
                rest = wire.tag(0x8100, 5, rest)
        self.add(direction, host, peer.mac, rest, "FILTER-8", mtu=limit if limit < 1500 or rng.random() < 0.8 else 0)

    def row9(self):
        """Runts, cut-off tags, too many tags, 802.3 lengths that lie."""
        rng = self.rng
        direction = self.direction(0.5)
        host, peer = self.hosts(direction)
        dst, rest = self.honest_rest(host, peer)
        choice = rng.randint(0, 4)
        if choice == 0:
            frame = (dst + host.mac + rest)[:rng.randint(0, 13)]
        elif choice == 1:
            tags = b"".join(wire.tag(rng.choice(hostile.TAGS), 7, b"") for _ in range(rng.choice((1, 2))))
            frame = dst + host.mac + tags
            if rng.random() < 0.5:
                frame = frame[:len(frame) - rng.randint(0, 2)]
            else:
                frame += rng.choice((b"", b"\x08"))
        elif choice == 2:
            for _ in range(rng.choice((3, 3, 4, 100))):
                rest = wire.tag(rng.choice(hostile.TAGS), 7, rest)
            frame = dst + host.mac + rest
        elif choice == 3:
            body = host.data(1, 100)
            frame = dst + host.mac + wire.dot3(body, len(body) + rng.choice((1, 2, 100, 1000)))
        else:
            frame = dst + host.mac + wire.dot3(rng.randbytes(rng.choice((60, 1500))), rng.randint(1501, 1535))
        self.add(direction, host, dst, rest, "FILTER-9", frame=frame, pad=False)

    # ---- mutations

    def mutate(self, record, times, label):
        frame = bytearray(record.frame)
        for _ in range(times):
            self._mutate_once(frame)
        announced = record.announced
        if announced and len(frame) >= 12 and self.rng.random() < 0.9:
            frame[6:12] = announced  # else nearly all would be forged
        self.records.append(record._replace(frame=bytes(frame[:9000]), labels=frozenset((label,))))

    def _mutate_once(self, frame):
        rng = self.rng
        choice = rng.randint(0, 9)
        near = min(len(frame), 90)
        if choice <= 2 and frame:  # bit flips, mostly in the headers
            at = rng.randrange(near if rng.random() < 0.9 else len(frame))
            frame[at] ^= 1 << rng.randint(0, 7)
        elif choice == 3:
            del frame[rng.randint(0, len(frame)):]
        elif choice == 4 and near > 18:  # any field may be a length
            at = rng.randrange(12, near - 1)
            size = len(frame)
            frame[at:at + 2] = struct.pack("!H", rng.choice((0, 1, 7, 8, 19, 20, 40, size - 14, size, 0xFFFF)))
        elif choice == 5:
            frame += rng.randbytes(rng.choice((1, 2, 4, 20, 60)))
        elif choice == 6 and self.records:  # one frame's head on another's tail
            other, at = rng.choice(self.records).frame, rng.choice((12, 14, 18, 22, 34, 54, 62))
            frame[at:] = other[rng.choice((at, at, 14, 22)):]
        elif choice == 7 and near > 14:
            at = rng.randrange(12, near)
            frame[at:at] = rng.randbytes(rng.choice((1, 2, 4, 8)))
        elif choice == 8 and near > 16:
            at = rng.randrange(12, near)
            del frame[at:at + rng.choice((1, 2, 4, 8))]
        elif near > 14:  # a value that means something to a parser
            at = rng.randrange(12, near)
            frame[at] = rng.choice(TELLING)


ROWS = [f"FILTER-{number}" for number in range(1, 10)]
EVASIONS = [function.__name__ for function in hostile.EVASIONS]


def generate(seed=SEED):
    """The whole corpus: a list of records."""
    generator = Generator(seed)
    for number in range(1, 10):
        for _ in range(EACH):
            getattr(generator, f"row{number}")()
    for function in hostile.EVASIONS:
        for _ in range(EACH):
            direction = generator.direction(0.9)
            host, peer = generator.hosts(direction)
            dst, rest = function(host, peer)
            generator.add(direction, host, dst, rest, "evasion", function.__name__)
    for _ in range(400):
        generator.near3()
    for table in tables.TABLES:
        host, peer = generator.hosts(REMOTE)
        for direction, dst, rest, mtu in table(host, peer):
            generator.add(direction, host, dst, rest, "table", table.__name__, mtu=mtu, pad=False, announced=None)
    others = len(generator.records) + MUTATIONS
    count = int(others * HONEST_SHARE / (1 - HONEST_SHARE))
    for number in range(count):
        if number % 16 == 0:
            generator.honest_lan()
        else:
            generator.honest(traffic.HONEST[number % len(traffic.HONEST)], generator.direction(0.65))
    base = list(generator.records)
    for _ in range(MUTATIONS):
        generator.mutate(generator.rng.choice(base), generator.rng.randint(1, 2), "mutation")
    return generator.records


def noise(seed=SEED, frames=2000, deep=5000):
    """Purely random frames, and deep mutations of the corpus' kinds of frames."""
    generator = Generator(seed + 1)
    rng = generator.rng
    for _ in range(frames):
        direction = generator.direction(0.7)
        host, _peer = generator.hosts(direction)
        frame = rng.randbytes(rng.choice((rng.randint(0, 64), rng.randint(14, 1514), rng.randint(1500, 3000))))
        if rng.random() < 0.7 and len(frame) >= 14:  # as far as a network header
            length = struct.pack("!H", min(1500, len(frame) - 14))
            kind = rng.choice((b"\x08\0", b"\x86\xdd", b"\x81\0", frame[12:14], length))
            frame = frame[:6] + host.mac + kind + frame[14:]
            if rng.random() < 0.6 and len(frame) > 60:
                frame = frame[:14] + rng.choice((b"\x45", b"\x46", b"\x60", b"\xaa")) + frame[15:]
        generator.add(direction, host, b"", b"", "random", frame=frame, pad=False)
    base = []
    for function in hostile.EVASIONS:
        for _ in range(40):
            host, peer = generator.hosts(REMOTE)
            dst, rest = function(host, peer)
            base.append(Record(REMOTE, 1500, host.mac, dst + host.mac + rest, frozenset()))
    for function in traffic.HONEST:
        for direction in (REMOTE, LAN):
            generator.honest(function, direction)
            base.append(generator.records.pop())
    for _ in range(deep):
        generator.mutate(rng.choice(base), rng.randint(3, 10), "deep")
    return generator.records


def packed(records):
    """The records as tests/judge/verdicts.c reads them."""
    out = []
    for record in records:
        out.append(struct.pack("!BBH6sH", record.direction, record.announced is not None, record.mtu,
                               record.announced or bytes(6), len(record.frame)))
        out.append(record.frame)
    return b"".join(out)
