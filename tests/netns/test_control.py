#!/usr/bin/python3 -B
"""Hostile readers at the control sockets of relay, gateway and client: cut off with a clear word, and nobody else's
trouble."""

import contextlib
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import control_load, daemons, standard, tap, topology, traffic  # noqa: E402

# A sanitizer keeps freed memory for a while, which would be taken for the daemon's.
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99:quarantine_size_mb=0:"
                      "thread_local_quarantine_size_kb=0")
READERS, REQUEST_S, GROWTH_KIB = 32, 5, 4096
PING_EVERY = 0.02

plan = tap.Plan(lambda: standard.start(clients=("c1",)))


def all_of(party):
    return party.relayd, party.gateway, party.clients["c1"]


class Pings:
    """A stream of pings from the client to the LAN; lost() when it has ended."""

    def __init__(self, party, seconds):
        self.party, self.count = party, int(seconds / PING_EVERY)
        self.times = {}
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        self.times = traffic.ping_times(self.party.c1, topology.LAN_HOST, self.count, PING_EVERY)

    def lost(self):
        self.thread.join()
        return self.count - len(self.times)


def expect_answers(daemon, within=2.0):
    began = time.monotonic()
    tap.expect(daemon.status()["pid"] == daemon.process.pid, "status of another process")
    took = time.monotonic() - began
    tap.expect(took < within, f"{daemon.name} took {took:.2f} s to answer")


@plan.case("200 silent readers: 32 are let in and told after 5 s, the others at once; pings go on [OPS-3]")
def silent(party):
    for daemon in all_of(party):
        pings = Pings(party, REQUEST_S + 1)
        began = time.monotonic()
        crowd = control_load.Silent(daemon.control)
        with contextlib.closing(crowd):
            traffic.eventually("all but 32 were sent away", lambda: crowd.look() == READERS, 2)
            came = len(crowd.told)
            tap.expect(came > 0 and all(text.startswith(b"ERR busy ") for text in crowd.told),
                       f"{daemon.name} told them {set(crowd.told)}")
            with contextlib.suppress(daemons.DaemonFailed):
                daemon.status()
                raise AssertionError("a 33rd reader was let in")
            traffic.eventually("the 32 are cut off", lambda: crowd.look() == 0, REQUEST_S + 3)
            took = time.monotonic() - began
            tap.expect(REQUEST_S - 0.5 < took < REQUEST_S + 3, f"cut off after {took:.1f} s")
            tap.expect_equal(set(crowd.told[came:]), {b"ERR timeout the request was not complete within 5 s\n"},
                             f"what {daemon.name} told them")
            tap.expect_equal(len(crowd.told) - came, READERS, "told")
        expect_answers(daemon)
        tap.expect_equal(pings.lost(), 0, "pings lost")


@plan.case("a request of 1 MB, one of 4,097 bytes, one in slow pieces: cut off; 4,096 bytes are taken [OPS-3]")
def long_requests(party):
    text = b"ERR usage a request is one line of at most 4096 bytes\n"
    for daemon in all_of(party):
        tap.expect_equal(control_load.say(daemon.control, control_load.LONG), text, "1 MB")
        answer = control_load.say(daemon.control, b"SOFTLAN1 status" + b" " * 4081 + b"\n")
        tap.expect_equal(answer, text, "4,097 bytes")
        answer = control_load.say(daemon.control, b"SOFTLAN1 status" + b" " * 4080 + b"\n")
        tap.expect(answer.startswith(b"OK\n"), f"4,096 bytes: {answer[:80]}")
    sock = control_load.dial(party.relayd.control)
    with sock:
        began, answer = time.monotonic(), b""
        sock.settimeout(0.3)
        while not answer and time.monotonic() - began < 8:
            with contextlib.suppress(TimeoutError, BrokenPipeError):
                sock.sendall(b"S")
                answer = sock.recv(4096)
        tap.expect(answer.startswith(b"ERR timeout "), f"slow pieces: {answer}")
        took = time.monotonic() - began
        tap.expect(REQUEST_S - 0.5 < took < REQUEST_S + 2, f"cut off after {took:.1f} s")


@plan.case("garbage is answered by one ERR line [OPS-3]")
def garbage(party):
    for daemon in all_of(party):
        for data in control_load.GARBAGE:
            answer = control_load.say(daemon.control, data)
            tap.expect(answer.startswith(b"ERR ") and answer.endswith(b"\n") and answer.count(b"\n") == 1 and
                       b"\x1b" not in answer, f"{data!r} to {daemon.name}: {answer[:100]!r}")
        expect_answers(daemon)


@plan.case("all at once for 12 s, and a reader of `watch` that takes a byte a second: no ping is lost, memory grows by "
           "less than 4 MB, no descriptor is left [OPS-3]", limit=120)
def together(party):
    some = all_of(party)
    for daemon in some:  # what is allocated once
        for verb in ("status", "rooms", "peers", "stats"):
            daemon.ctl(verb)
    before = {daemon.name: (control_load.memory_kib(daemon.process.pid), control_load.descriptors(daemon.process.pid))
              for daemon in some}
    most = dict.fromkeys(before, 0)
    with control_load.Load(*(daemon.control for daemon in some)) as load, control_load.Joins(party) as joins:
        pings = Pings(party, 12)
        while pings.thread.is_alive():
            for daemon in some:
                most[daemon.name] = max(most[daemon.name], control_load.memory_kib(daemon.process.pid))
            time.sleep(0.05)
    tap.expect_equal(load.problems, [], "answers that were none")
    tap.expect_equal(joins.error, None, "what ended the joins")
    tap.expect(joins.count > 0 and load.heard > 0 and load.judged > 0,
               f"{joins.count} joins, {load.heard} bytes of events, {load.judged} requests judged")
    tap.expect(load.rounds >= 5, f"only {load.rounds} rounds of load")
    tap.expect_equal(pings.lost(), 0, "pings lost")
    for daemon in some:
        traffic.eventually(f"{daemon.name} answers again", lambda: control_load.say(
            daemon.control, b"SOFTLAN1 status\n").startswith(b"OK\n"), REQUEST_S + 2, step=0.2)
        expect_answers(daemon)
        kib, fds = before[daemon.name]
        print(f"# {daemon.name}: {kib} KiB before, {most[daemon.name]} at most, "
              f"{control_load.memory_kib(daemon.process.pid)} after; {load.rounds} rounds")
        tap.expect(most[daemon.name] - kib < GROWTH_KIB, f"{daemon.name} grew from {kib} to {most[daemon.name]} KiB")
        traffic.eventually(f"{daemon.name} has closed all", lambda: control_load.descriptors(
            daemon.process.pid) <= fds, REQUEST_S + 2)


if __name__ == "__main__":
    plan.main()
