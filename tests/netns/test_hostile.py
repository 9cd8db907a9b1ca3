#!/usr/bin/python3 -B
"""Hostile datagrams at the relay's port: counted and ignored, the party goes on."""

import os
import random
import select
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

plan = tap.Plan(lambda: standard.start(clients=("c1",)))


def find(tree, name):
    """The first value of this name anywhere in a JSON document."""
    if isinstance(tree, dict):
        if name in tree:
            return tree[name]
        tree = list(tree.values())
    if isinstance(tree, list):
        for item in tree:
            if (found := find(item, name)) is not None:
                return found
    return None


def bad_packets(party):
    count = find(party.relayd.ctl("stats"), "rx_packets_bad")
    tap.expect(count is not None, "stats of the relay have no rx_packets_bad")
    return count


def throw(party, datagrams, pause=0.0005, patience=0):
    """Sends datagrams from c2 to the relay; gives back what the relay answered, the first answer within `patience`
    seconds after the last pause."""
    sock = party.c2.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((topology.RELAY, 443))
    sock.setblocking(False)
    answers = []
    for datagram in datagrams:
        try:
            sock.send(datagram)
        except OSError:
            pass
        time.sleep(pause)
        try:
            while True:
                answers.append(sock.recv(65536))
        except OSError:
            pass
    if patience and not answers and select.select([sock], [], [], patience)[0]:
        answers.append(sock.recv(65536))
    sock.close()
    return answers


def still_a_party(party):
    party.relayd.check()
    traffic.ping(party.c1, topology.LAN_HOST)
    tap.expect_equal(len(party.relayd.peers()), 2, "peers at the relay")


def long_header(version, dcid, scid, rest):
    return bytes([0xC0]) + version.to_bytes(4, "big") + bytes([len(dcid)]) + dcid + bytes([len(scid)]) + scid + rest


@plan.case("garbage of every length: counted, unanswered or reset, nothing breaks [RELAY-1]")
def garbage(party):
    rng = random.Random(1)
    before = bad_packets(party)
    throw(party, [rng.randbytes(rng.randint(1, 1472)) for _ in range(2000)])
    tap.expect(bad_packets(party) > before, "no bad packet was counted")
    still_a_party(party)


@plan.case("empty and truncated datagrams [RELAY-1]")
def truncated(party):
    rng = random.Random(2)
    whole = long_header(1, rng.randbytes(8), rng.randbytes(8), b"\0" + b"\x44\xb0" + rng.randbytes(1180))
    throw(party, [b""] * 20 + [whole[:length] for length in range(0, len(whole), 3)])
    still_a_party(party)


@plan.case("oversized datagrams, also fragmented ones [RELAY-1]")
def oversized(party):
    rng = random.Random(3)
    throw(party, [bytes([0xC0]) + rng.randbytes(length - 1) for length in (1473, 2000, 9000, 30000, 65507)] * 4)
    throw(party, [bytes([0x40]) + rng.randbytes(length - 1) for length in (1473, 2000, 9000, 30000, 65507)] * 4)
    still_a_party(party)


@plan.case("unknown QUIC versions are answered with the ones we speak, small packets are not [RELAY-1]")
def versions(party):
    rng = random.Random(4)
    full = long_header(0x1A2A3A4A, rng.randbytes(8), rng.randbytes(8), bytes(1200))
    answers = throw(party, [full], patience=3)
    tap.expect(answers and answers[0][1:5] == b"\0\0\0\0", "no Version Negotiation packet (RFC 9000 section 6)")
    tap.expect(len(answers[0]) < len(full), "the answer is larger than the question")
    small = long_header(0x1A2A3A4A, rng.randbytes(8), rng.randbytes(8), bytes(100))
    tap.expect(not throw(party, [small], pause=0.3), "a small packet of an unknown version was answered")
    still_a_party(party)


@plan.case("Initial packets of nobody: random payload, wrong tokens, odd connection ids [RELAY-1]")
def initials(party):
    rng = random.Random(5)
    packets = []
    for _ in range(500):
        token = rng.randbytes(rng.choice((0, 0, 1, 16, 63)))
        body = bytes([len(token)]) + token + b"\x44\x96" + rng.randbytes(1174)
        packets.append(long_header(1, rng.randbytes(rng.randint(0, 20)), rng.randbytes(rng.randint(0, 20)), body))
    throw(party, packets, pause=0.002)
    still_a_party(party)


@plan.case("the relay does not answer with more bytes than it got [RELAY-1]")
def amplification(party):
    rng = random.Random(6)
    sent = [bytes([0x40]) + rng.randbytes(rng.randint(20, 60)) for _ in range(300)]
    answers = throw(party, sent, pause=0.001)
    got, gave = sum(map(len, answers)), sum(map(len, sent))
    tap.expect(got <= gave, f"{got} bytes of answers for {gave} bytes")
    tap.expect(all(len(answer) <= 60 for answer in answers), "a stateless reset longer than its cause")
    still_a_party(party)


@plan.case("garbage on the control sockets: refused, nothing breaks [OPS-3]")
def control_socket(party):
    rng = random.Random(7)
    requests = [b"", b"\n", b"SOFTLAN1\n", b"SOFTLAN1 \n", b"SOFTLAN2 status\n", b"GET / HTTP/1.0\r\n\r\n",
                b"SOFTLAN1 " + b"x" * 5000 + b"\n", b"\0" * 100 + b"\n", rng.randbytes(4096),
                b"SOFTLAN1 status" + b" x" * 1000 + b"\n", b"SOFTLAN1 frobnicate\n"]
    for daemon in party.daemons:
        for request in requests:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(10)
                sock.connect(daemon.control)
                try:
                    sock.sendall(request)
                    sock.shutdown(socket.SHUT_WR)
                    answer = sock.recv(65536)
                except (BrokenPipeError, ConnectionResetError):
                    answer = b""
                tap.expect(not answer or answer.startswith(b"ERR "), f"{daemon.name}: {request[:40]!r} -> {answer[:80]!r}")
        daemon.check()
        tap.expect(daemon.status(), f"{daemon.name}: no status after it")


@plan.case("silent readers of the control socket do not slow the daemon [OPS-3]")
def silent_readers(party):
    held = []
    try:
        for _ in range(40):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                sock.connect(party.relayd.control)
            except BlockingIOError:
                pass
            held.append(sock)
        traffic.ping(party.c1, topology.LAN_HOST)
    finally:
        for sock in held:
            sock.close()
    traffic.eventually("the relay answers again", lambda: _answers(party.relayd), 10)


def _answers(daemon):
    try:
        return bool(daemon.status())
    except daemons.DaemonFailed:
        daemon.check()
        return False


if __name__ == "__main__":
    plan.main()
