#!/usr/bin/python3 -B
"""The relay's rules, proven by what each peer sees: no reflection, no leak between rooms,
where unicast goes, in which order peers hear of each other."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, frames, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

STRANGER = "02:99:99:99:99:99"  # nobody's address
QUIET = 0.4  # seconds in which a frame that must not come would have come


def setup():
    party = standard.start()
    party.other = daemons.make_client(party, "c1", name="other", tap="other0", room="ROOM2").start()
    party.ports = standard.ports(party, "lan", "c1", "c2")
    party.ports["other"] = frames.Port(party.c1, "other0")
    party.ports["switch"] = frames.Port(party.switch, "gw")  # the switch's port that leads to the gateway
    party.mac = {"c1": party.c1.mac("softlan0"), "c2": party.c2.mac("softlan0"), "lan": topology.LAN_MAC,
                 "other": party.c1.mac("other0")}
    traffic.ping(party.c1, topology.LAN_HOST)
    traffic.ping(party.c2, topology.LAN_HOST)
    return party


plan = tap.Plan(setup)


# What an endpoint counts when the relay gives it a frame that it should not have got: its filter keeps such a
# frame from the TAP and from the LAN, so that only these counters show it.
UNASKED = ("reflected", "misdirected", "unknown_peer")


def unasked(party):
    return {daemon.name: {reason: daemon.counters()["drops"].get(reason, 0) for reason in UNASKED}
            for daemon in party.daemons if daemon.kind != "relay" and daemon.alive()}


def expect_seen(party, sender, expected, what, *sent):
    """Sends frames through the sender's port and checks how many of them each place saw. Nobody else may have
    got a copy from the relay, not even one that its filter dropped."""
    watched = {place: port for place, port in party.ports.items() if place != "switch"}
    before = unasked(party)
    with frames.Recorder(watched, lambda frame: frame in sent) as recorder:
        for frame in sent:
            party.ports[sender].send(frame)
        for place, count in expected.items():
            recorder.wait(place, count)
        time.sleep(QUIET)
    got = {place: len(recorder.seen(place)) for place in watched if recorder.seen(place)}
    tap.expect_equal(got, expected, what)
    tap.expect_equal(unasked(party), before, f"{what}: copies that nobody should have got")


@plan.case("a client's broadcast reaches all others once, never itself, never another room [RELAY-4 RELAY-5]")
def broadcast_up(party):
    frame = frames.build(frames.BROADCAST, party.mac["c1"], payload=b"up")
    expect_seen(party, "c1", {"lan": 1, "c2": 1}, "broadcast of c1", frame)
    frame = frames.build("01:00:5e:4d:01:02", party.mac["c2"], payload=b"multicast")
    expect_seen(party, "c2", {"lan": 1, "c1": 1}, "multicast of c2", frame)


@plan.case("a LAN broadcast reaches all clients once, is not reflected, never leaks [RELAY-4 RELAY-5]")
def broadcast_down(party):
    frame = frames.build(frames.BROADCAST, topology.LAN_MAC, payload=b"down")
    expect_seen(party, "lan", {"c1": 1, "c2": 1}, "broadcast of the LAN", frame)


@plan.case("another room hears and reaches nobody of this one [RELAY-4]")
def rooms(party):
    sent = [frames.build(frames.BROADCAST, party.mac["other"], payload=b"leak?"),
            frames.build(party.mac["c1"], party.mac["other"], payload=b"leak to c1?"),
            frames.build(topology.LAN_MAC, party.mac["other"], payload=b"leak to the LAN?")]
    expect_seen(party, "other", {}, "frames of the client in ROOM2", *sent)
    frame = frames.build(party.mac["other"], party.mac["c1"], payload=b"and back?")
    expect_seen(party, "c1", {"lan": 1}, "unicast to a MAC of another room", frame)
    drops = {peer["role"] + peer["room"]: peer["drops"] for peer in party.relayd.peers()}["clientROOM2"]
    tap.expect(drops.get("no_gateway", 0) >= 2, f"unknown unicast in a room without a gateway, drops: {drops}")


@plan.case("known unicast goes to its peer alone [RELAY-5 CORE-4]")
def known(party):
    frame = frames.build(party.mac["c2"], party.mac["c1"], payload=b"to c2")
    expect_seen(party, "c1", {"c2": 1}, "unicast c1 to c2", frame)
    frame = frames.build(party.mac["c1"], topology.LAN_MAC, payload=b"to c1")
    expect_seen(party, "lan", {"c1": 1}, "unicast LAN to c1", frame)
    frame = frames.build(topology.LAN_MAC, party.mac["c2"], payload=b"to the LAN")
    expect_seen(party, "c2", {"lan": 1}, "unicast c2 to the LAN", frame)


@plan.case("unknown unicast of a client goes to the gateway only [RELAY-5]")
def unknown_up(party):
    frame = frames.build(STRANGER, party.mac["c1"], payload=b"anybody?")
    expect_seen(party, "c1", {"lan": 1}, "unknown unicast of c1", frame)


@plan.case("unknown unicast of the LAN goes to no client [RELAY-5 GW-4]")
def unknown_down(party):
    frame = frames.build("02:99:99:99:99:98", topology.LAN_MAC, payload=b"anybody?")
    expect_seen(party, "lan", {}, "unknown unicast of the LAN", frame)


@plan.case("a LAN host that borrows a client's MAC does not capture its frames [RELAY-5]")
def never_over_announced(party):
    before = frames.build(frames.BROADCAST, party.mac["c2"], payload=b"I am c2, really")
    party.ports["lan"].send(before)
    time.sleep(0.2)
    frame = frames.build(party.mac["c2"], party.mac["c1"], payload=b"still to c2")
    expect_seen(party, "c1", {"c2": 1}, "unicast c1 to c2 after a LAN frame from c2's MAC", frame)
    traffic.ping(party.c1, party.address["c2"])


@plan.case("the relay learns the MACs behind the gateway, each once, and no announced one [RELAY-5]")
def learning(party):
    def learned():
        return party.relayd.ctl("rooms", "ROOM1")["rooms"][0]["learned"]
    before = learned()
    tap.expect(before >= 1, "the LAN host has not been learned")
    for source in ("00:16:3e:77:00:51", "00:16:3e:77:00:52", "00:16:3e:77:00:51", party.mac["c2"]):
        party.ports["lan"].send(frames.build(frames.BROADCAST, source, payload=b"learn me"))
    traffic.eventually("two more are learned", lambda: learned() == before + 2, 2)
    time.sleep(QUIET)
    tap.expect_equal(learned(), before + 2, "learned MACs")
    # From a client it may come as often as it likes: only the gateway's frames teach.
    frame = frames.build("00:16:3e:77:00:51", party.mac["c1"], payload=b"to a learned station")
    expect_seen(party, "c1", {"lan": 1}, "unicast of c1 to a learned MAC", frame)
    tap.expect_equal(learned(), before + 2, "learned MACs")


@plan.case("a client whose MAC was learned on the LAN before gets its frames once it has joined [RELAY-5]")
def announced_wins(party):
    mac = "02:77:77:77:77:01"
    party.ports["lan"].send(frames.build(frames.BROADCAST, mac, payload=b"I was here first"))
    frame = frames.build(mac, party.mac["c1"], payload=b"to the station")
    expect_seen(party, "c1", {"lan": 1}, "unicast to the MAC while it is on the LAN", frame)
    late = daemons.make_client(party, "c2", name="late", tap="late0", virtual_mac=mac).start()
    port = party.ports["late"] = frames.Port(party.c2, "late0")
    try:
        frame = frames.build(mac, party.mac["c1"], payload=b"to the client")
        expect_seen(party, "c1", {"late": 1}, "unicast to the MAC once a client has it", frame)
    finally:
        party.ports.pop("late")
        port.close()
        late.stop()
        party.daemons.remove(late)


@plan.case("a frame with a forged source MAC goes nowhere and is counted [FILTER-2]")
def forged(party):
    def count():
        return party.clients["c1"].counters()["drops"].get("forged_source", 0)
    before = count()
    sent = [frames.build(frames.BROADCAST, STRANGER, payload=b"forged"),
            frames.build(party.mac["c2"], topology.LAN_MAC, payload=b"forged")]
    expect_seen(party, "c1", {}, "frames with a forged source", *sent)
    tap.expect_equal(count(), before + 2, "forged_source at the client")


@plan.case("a multicast source MAC goes nowhere, from either side [FILTER-1]")
def multicast_source(party):
    frame = frames.build(frames.BROADCAST, "03:00:00:00:00:01", payload=b"bad source")
    expect_seen(party, "c1", {}, "multicast source from c1", frame)
    expect_seen(party, "switch", {}, "multicast source from the LAN", frame)
    for daemon in (party.clients["c1"], party.gateway):
        tap.expect_equal(daemon.counters()["drops"]["invalid_source"], 1, f"invalid_source at {daemon.name}")


@plan.case("a newcomer is known to those present when it is ready, and knows them [RELAY-8 CTRL-5]")
def join_order(party):
    party.ports.pop("c2").close()
    client = party.clients["c2"]
    mac = party.mac["c2"]
    for _ in range(3):
        client.stop()
        for other in (party.clients["c1"], party.gateway):
            traffic.eventually(f"{other.name} has heard that c2 left",
                               lambda other=other: mac not in [peer.get("mac") for peer in other.peers()], 2)
        tap.expect(mac not in [peer.get("mac") for peer in party.relayd.peers()], "the relay still lists c2")
        client.start()  # READY: the welcome has come
        for other in (party.clients["c1"], party.gateway):
            tap.expect(mac in [peer.get("mac") for peer in other.peers()],
                       f"{other.name} did not know c2 when c2 was ready")
        roles = sorted(peer["role"] for peer in client.peers())
        tap.expect_equal(roles, ["client", "gateway"], "peers that c2 knows when it is ready")
    standard.give_address(party, "c2")
    traffic.ping(party.c1, party.address["c2"])
    party.ports["c2"] = frames.Port(party.c2, "softlan0")


@plan.case("a joining gateway gets the client list; clients lose and find it [RELAY-8 RELAY-13]")
def gateway_order(party):
    party.gateway.stop()
    for client in party.clients.values():
        traffic.eventually(f"{client.name} knows no gateway",
                           lambda client=client: "gateway" not in [peer["role"] for peer in client.peers()], 2)
        tap.expect(not client.status()["gateway"], f"{client.name}: status still shows a gateway")
    party.gateway.start()
    macs = {peer.get("mac") for peer in party.gateway.peers()}
    tap.expect({party.mac["c1"], party.mac["c2"]} <= macs, f"the gateway knew only {macs} when it was ready")
    for client in party.clients.values():
        traffic.eventually(f"{client.name} knows the gateway",
                           lambda client=client: "gateway" in [peer["role"] for peer in client.peers()], 1)
    traffic.ping(party.c1, topology.LAN_HOST)


@plan.case("a client that is killed gets its place back once its old self has fallen silent [RELAY-2 RELAY-13]")
def killed(party):
    client = party.clients["c2"]
    client.kill()
    # The same MAC again: it takes its place back once the old one is silent (interfaces: taking a place back).
    client.start(timeout=15)
    standard.give_address(party, "c2")
    traffic.ping(party.c1, party.address["c2"])
    mac = party.mac["c2"]
    tap.expect_equal([peer.get("mac") for peer in party.relayd.peers()].count(mac), 1, "peers with the MAC of c2")


if __name__ == "__main__":
    plan.main()
