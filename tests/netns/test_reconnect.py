#!/usr/bin/python3 -B
"""The relay goes away and comes back: both ends return by themselves, the TAP stays as it was."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

WITHIN = 3.0  # seconds from the relay's READY

plan = tap.Plan(lambda: standard.start(clients=("c1",)))


def device(party):
    link = party.c1.ip_json("link show dev softlan0")[0]
    return {"index": link["ifindex"], "mac": link["address"], "mtu": link["mtu"],
            "addresses": party.c1.addresses("softlan0")}


def restart(party, outage):
    """Kills the relay, waits, starts it; says how long it was from READY until both ends are back."""
    before = device(party)
    reconnects = {end: end.status()["reconnects"] for end in (party.gateway, party.clients["c1"])}
    party.relayd.kill()
    end = time.monotonic() + outage
    while time.monotonic() < end:
        now = device(party)
        tap.expect_equal(now, before, "the TAP during the outage")
        time.sleep(0.2)
    party.relayd.start(wait=False)
    ready = party.relayd.wait_ready()

    def back(end):
        # Joined anew: the old connection may still look alive just after the relay's death.
        status = end.status()
        return status["connected"] and status["reconnects"] > reconnects[end]

    for daemon in reconnects:
        left = max(0.1, WITHIN - (time.monotonic() - ready))
        traffic.eventually(f"{daemon.name} is back (it says: {daemon.status_line()})",
                           lambda daemon=daemon: back(daemon), left, step=0.02)
    seconds = time.monotonic() - ready
    traffic.eventually("ping works", lambda: party.c1.ok(["ping", "-n", "-c1", "-W0.3", topology.LAN_HOST]),
                       max(0.1, WITHIN - (time.monotonic() - ready)))
    tap.expect(time.monotonic() - ready < WITHIN, "the first ping was answered too late")
    tap.expect_equal(device(party), before, "the TAP afterwards")
    print(f"# both ends were back {seconds:.2f} s after READY")


@plan.case("kill -9 under traffic, restarted at once: back within 3 s [CORE-1 LIN-1]")
def under_traffic(party):
    process = party.spawn("c1", ["ping", "-n", "-i", "0.02", topology.LAN_HOST])
    try:
        restart(party, 0)
    finally:
        party.end(process)


@plan.case("kill -9 with idle ends, restarted at once: back within 3 s [CORE-1 LIN-1]")
def idle(party):
    time.sleep(3)
    restart(party, 0)


@plan.case("kill -9 with idle ends, away for 4 s: back within 3 s of READY [CORE-1 LIN-1]")
def away(party):
    time.sleep(1)
    restart(party, 4)


@plan.case("kill -9 three times in a row [CORE-1]", limit=120)
def again(party):
    for _ in range(3):
        restart(party, 0.5)


@plan.case("an orderly end of the relay: the ends say why, and come back [RELAY-13 CORE-1]")
def orderly(party):
    before = device(party)
    party.relayd.stop()
    for daemon in (party.gateway, party.clients["c1"]):
        traffic.eventually(f"{daemon.name} knows that it is not connected",
                           lambda daemon=daemon: not daemon.status()["connected"], 3)
        tap.expect(daemon.status()["sentences"], f"{daemon.name} has no sentence about it")
    party.relayd.start()
    for daemon in (party.gateway, party.clients["c1"]):
        traffic.eventually(f"{daemon.name} is back", daemon.connected, 6)
    traffic.eventually("ping works", lambda: party.c1.ok(["ping", "-c1", "-W0.3", topology.LAN_HOST]), 3)
    tap.expect_equal(device(party), before, "the TAP afterwards")


if __name__ == "__main__":
    plan.main()
