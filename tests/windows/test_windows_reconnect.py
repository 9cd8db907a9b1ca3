#!/usr/bin/python3 -B
"""softlan-client.exe comes back by itself: the relay goes away, the cable is pulled. The TAP's media stay up for 30 s."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import tap, topology, traffic  # noqa: E402  pylint: disable=C0413
import wine  # noqa: E402  pylint: disable=C0413
import windows_party  # noqa: E402  pylint: disable=C0413

TAP = windows_party.TAP
HELD = 30  # seconds for which the media stay up without a relay
IDLE = 5  # seconds after which it takes the relay for lost
BACK = 5.0  # seconds that it may take to be back


def build():
    party = windows_party.start(settings={"timing": {"idle_timeout": IDLE, "keep_alive": 1}})
    try:
        party.address["c1"] = traffic.lease(party, "c1", TAP)
    except BaseException:
        party.close()
        raise
    return party


plan = tap.Plan(build, unusable=wine.client_unusable)


def answers(party):
    return party.c1.ok(["ping", "-n", "-c1", "-W0.5", topology.LAN_HOST])


def plug(party, plugged):
    """The home's cable to the internet."""
    party.inet.batch([f"link set c1 {'up' if plugged else 'down'}"])
    if plugged:  # the router's IPv6 address went with the link
        party.inet.batch([f"address replace {topology.HOMES6['c1']}:1/64 dev c1 nodad"])


def last(party):
    return party.tap.log()[-1]["number"]


def expect_held(party, before):
    tap.expect_equal(party.tap.media_log(before), [], "changes of the media")
    tap.expect(party.tap.carrier(), "the IP stack has lost its carrier")
    tap.expect(party.address["c1"] in party.c1.addresses(TAP), "the IP stack has lost its address")


def expect_back(party, since, within):
    """Joined again and the LAN answers, within so many seconds of `since`; says how long it took."""
    left = within - (time.monotonic() - since)
    traffic.eventually(f"the LAN answers (the client says: {party.client.last_words()})", lambda: answers(party),
                       max(0.1, left))
    print(f"# back {time.monotonic() - since:.2f} s later")
    tap.expect(party.client.in_room(), "the LAN answers, and yet the relay does not know it")


@plan.case("the relay is killed under traffic and restarted: back without user action [CORE-1 WIN-7]")
def relay_killed(party):
    before = last(party)
    process = party.spawn("c1", ["ping", "-n", "-i", "0.05", topology.LAN_HOST])
    try:
        party.relayd.kill()
        party.relayd.start(wait=False)
        expect_back(party, party.relayd.wait_ready(), BACK)
    finally:
        party.end(process)
    expect_held(party, before)
    tap.expect(party.client.status()["reconnects"] > 0, "no reconnect in status")


@plan.case("the relay is away for 8 s: back within 5 s of its return [CORE-1 WIN-7]")
def relay_away(party):
    before = last(party)
    party.relayd.kill()
    time.sleep(8)
    expect_held(party, before)
    party.relayd.start(wait=False)
    expect_back(party, party.relayd.wait_ready(), BACK)
    expect_held(party, before)


@plan.case("the home's cable is out for 20 s: back by itself, the media never went down [CORE-1 WIN-5 WIN-7]")
def short_cut(party):
    before = last(party)
    plug(party, False)
    time.sleep(20)
    expect_held(party, before)
    plug(party, True)
    expect_back(party, time.monotonic(), 2 * BACK)
    expect_held(party, before)


@plan.case("the cable is out for 45 s: the media go down after 30 s and come up with the room [WIN-7 OBS-4]", limit=150)
def long_cut(party):
    before = last(party)
    start = time.time()
    plug(party, False)
    traffic.eventually("the media go down", lambda: party.tap.media_log(before), HELD + 3 * IDLE, step=0.5)
    when, up = party.tap.media_log(before)[0]
    print(f"# down {when - start:.1f} s after the cut")
    tap.expect(not up and HELD - 0.2 <= when - start <= HELD + 2 * IDLE + 1, f"{up} {when - start:.1f} s after the cut")
    tap.expect(not party.tap.carrier(), "the IP stack still has its carrier")
    tap.expect(not party.client.status()["connected"], "connected")
    while time.time() < start + 45:
        time.sleep(0.5)
    plug(party, True)
    expect_back(party, time.monotonic(), 3 * BACK)
    tap.expect_equal([up for _, up in party.tap.media_log(before)], [False, True], "changes of the media")
    tap.expect(party.tap.carrier(), "the IP stack has no carrier")


@plan.case("killed (no handler runs) and started again: it joins, and the LAN answers [WIN-7 CORE-1]")
def killed(party):
    before = last(party)
    party.client.kill()
    traffic.eventually("the driver takes the media down with the file", lambda: not party.tap.carrier())
    party.client.start()
    expect_back(party, time.monotonic(), BACK)
    events = [entry["event"] for entry in party.tap.log(before)]
    tap.expect_equal(events[:2], ["closed", "opened"], f"first of the driver's {events}")


if __name__ == "__main__":
    plan.main()
