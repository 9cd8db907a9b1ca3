#!/usr/bin/python3 -B
"""A flood of broadcasts from one client: the LAN sees the configured rate, the others play on."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, frames, hostile, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

ALLOWED = 500  # client_rate.broadcast_pps, its default
FLOOD = 52_000  # asked of the generator; 50,000 are to arrive at the relay
OFFERED = 50_000
SECONDS = 14
PINGS, PACE = 400, 0.02  # 8 s and a little more, within the flood
# A frame that is allowed now may reach the wire some milliseconds later: at the ends of an interval, this many
# frames may belong to the next one.
EDGE = ALLOWED // 50
P99_MS = 2.0
# A sanitizer makes each packet several times as dear, the generator's too: it may offer less, and each answer takes
# its share of that. Loss and rates stay as they are.
SANITIZED_OFFERED, SANITIZED_P99_MS = 5_000, 20.0

plan = tap.Plan(lambda: standard.start(clients=("c2",)))


def flooder(party):
    return next(peer for peer in party.relayd.peers() if peer.get("mac") == hostile.MAC)


def is_flood(frame):
    return frames.source(frame) == hostile.MAC and frame[14:19] == b"flood"


def pings(party, what):
    times = traffic.ping_times(party.c2, topology.LAN_HOST, PINGS, PACE)
    p99 = traffic.percentile(times.values(), 0.99)
    print(f"# ping {what}: {len(times)} of {PINGS}, median {traffic.percentile(times.values(), 0.5):.2f} ms, "
          f"p99 {p99:.2f} ms, longest {max(times.values()):.2f} ms")
    tap.expect_equal(PINGS - len(times), 0, f"pings lost {what}")
    return p99


def per_second(stamps):
    """How many frames came in each whole second from the first one on; the last, broken one is left out."""
    counts = [0] * int(stamps[-1] - stamps[0])
    for stamp in stamps:
        if stamp - stamps[0] < len(counts):
            counts[int(stamp - stamps[0])] += 1
    return counts


def expect_rate(place, stamps):
    """Behind the first second, which has the burst, each second has the configured rate and at least 90 % of it."""
    tap.expect(stamps, f"nothing of the flood came to {place}")
    counts = per_second(stamps)
    print(f"# frames a second at {place}: {counts}")
    tap.expect(len(counts) >= SECONDS - 1, f"the flood at {place} lasted {len(counts)} s only")
    tap.expect(counts[0] <= 2 * ALLOWED + EDGE, f"the first second at {place}: {counts[0]}")
    tap.expect(all(0.9 * ALLOWED <= count <= ALLOWED + EDGE for count in counts[1:]), f"{place}: {counts}")
    total = sum(counts[1:])
    tap.expect(total <= ALLOWED * len(counts[1:]) + EDGE, f"{total} frames in {len(counts) - 1} s at {place}")


@plan.case("50,000 broadcasts a second: the LAN sees the configured rate, another's ping loses nothing and takes no "
           "longer [RELAY-10]", limit=120)
def flood(party):
    slow = daemons.sanitized()
    offered_least, p99_most = (SANITIZED_OFFERED, SANITIZED_P99_MS) if slow else (OFFERED, P99_MS)
    traffic.ping(party.c2, topology.LAN_HOST)
    idle = pings(party, "in idle")
    ports = {"wire": frames.Port(party.switch, "gw"), "c2": frames.Port(party.c2, "softlan0")}
    try:
        with hostile.RawPeer(party, options=["--quiet"]) as raw, frames.Recorder(ports, is_flood) as recorder:
            first = flooder(party)
            raw.flood(FLOOD, SECONDS)
            time.sleep(1)
            start, before = time.monotonic(), flooder(party)
            loaded = pings(party, "under the flood")
            seconds, after = time.monotonic() - start, flooder(party)
            tap.expect(not raw.seen("flood"), "the flood was over before the pings were")
            offered = (after["rx_datagrams"] - before["rx_datagrams"]) / seconds
            done = raw.wait("flood", SECONDS + 10)
            last = flooder(party)
            print(f"# offered at the relay: {offered:.0f} frames/s over {seconds:.1f} s; the generator: {done}"
                  + (" (sanitized build)" if slow else ""))
            print(f"# drops of the flooder: {last['drops']}")
            notices = raw.message("notice", reason="rate_broadcast")
            tap.expect(1 <= len(notices) <= 2, f"notices in {SECONDS} s: {notices}")
            tap.expect(all(one["frames"] > 0 and not one.get("isolated") for one in notices), f"{notices}")
    finally:
        for port in ports.values():
            port.close()
    tap.expect(offered >= offered_least, f"only {offered:.0f} frames/s reached the relay")
    for place in ports:
        expect_rate(place, [stamp for stamp, _ in recorder.frames[place]])
    passed, dropped = last["rx_frames"] - first["rx_frames"], last["drops"].get("rate_broadcast", 0)
    tap.expect_equal(passed + dropped, last["rx_datagrams"] - first["rx_datagrams"],
                     "frames that passed and frames dropped as rate_broadcast, against all that came")
    tap.expect_equal(len(recorder.seen("wire")), passed, "frames on the LAN against frames that the relay let pass")
    tap.expect(loaded - idle <= p99_most, f"p99 of the other's ping: {idle:.2f} ms in idle, {loaded:.2f} ms now")


@plan.case("after the flood the room is as before, the flooder's own frames too [RELAY-10]")
def afterwards(party):
    traffic.ping(party.c2, topology.LAN_HOST)
    port = frames.Port(party.switch, "gw")
    try:
        with hostile.RawPeer(party) as raw, frames.Recorder({"wire": port}) as recorder:
            frame = frames.build(frames.BROADCAST, raw.mac, payload=b"one")
            raw.send(frame)
            traffic.eventually("a broadcast arrives", lambda: frame in recorder.seen("wire"), 2)
            # A burst of service discovery is no storm: as many as the rate gives in one second pass at once.
            burst = [frames.build(frames.BROADCAST, raw.mac, payload=b"who is there? %d" % number)
                     for number in range(ALLOWED - 50)]
            for frame in burst:
                raw.send(frame)
            traffic.eventually("the burst arrives", lambda: set(burst) <= set(recorder.seen("wire")), 3)
            tap.expect_equal(flooder(party)["drops"], {}, "drops")
    finally:
        port.close()


if __name__ == "__main__":
    plan.main()
