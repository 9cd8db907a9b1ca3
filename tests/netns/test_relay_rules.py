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


def who_sees(party, sender, *sent):
    """Sends frames through the sender's port; returns how often each place saw each of them."""
    watched = {place: port for place, port in party.ports.items() if place != "switch"}
    with frames.Recorder(watched, lambda frame: frame in sent) as recorder:
        for frame in sent:
            party.ports[sender].send(frame)
        time.sleep(QUIET)
    return {place: len(recorder.seen(place)) for place in watched if recorder.seen(place)}


@plan.case("a client's broadcast reaches all others once, never itself, never another room [RELAY-4 RELAY-5]")
def broadcast_up(party):
    frame = frames.build(frames.BROADCAST, party.mac["c1"], payload=b"up")
    tap.expect_equal(who_sees(party, "c1", frame), {"lan": 1, "c2": 1}, "broadcast of c1")
    frame = frames.build("01:00:5e:4d:01:02", party.mac["c2"], payload=b"multicast")
    tap.expect_equal(who_sees(party, "c2", frame), {"lan": 1, "c1": 1}, "multicast of c2")


@plan.case("a LAN broadcast reaches all clients once, is not reflected, never leaks [RELAY-4 RELAY-5]")
def broadcast_down(party):
    frame = frames.build(frames.BROADCAST, topology.LAN_MAC, payload=b"down")
    tap.expect_equal(who_sees(party, "lan", frame), {"c1": 1, "c2": 1}, "broadcast of the LAN")


@plan.case("another room hears and reaches nobody of this one [RELAY-4]")
def rooms(party):
    sent = [frames.build(frames.BROADCAST, party.mac["other"], payload=b"leak?"),
            frames.build(party.mac["c1"], party.mac["other"], payload=b"leak to c1?"),
            frames.build(topology.LAN_MAC, party.mac["other"], payload=b"leak to the LAN?")]
    tap.expect_equal(who_sees(party, "other", *sent), {}, "frames of the client in ROOM2")
    frame = frames.build(party.mac["other"], party.mac["c1"], payload=b"and back?")
    tap.expect_equal(who_sees(party, "c1", frame), {"lan": 1}, "unicast to a MAC of another room")
    drops = {peer["role"] + peer["room"]: peer["drops"] for peer in party.relayd.peers()}["clientROOM2"]
    tap.expect(drops.get("no_gateway", 0) >= 2, f"unknown unicast in a room without a gateway, drops: {drops}")


@plan.case("known unicast goes to its peer alone [RELAY-5 CORE-4]")
def known(party):
    frame = frames.build(party.mac["c2"], party.mac["c1"], payload=b"to c2")
    tap.expect_equal(who_sees(party, "c1", frame), {"c2": 1}, "unicast c1 to c2")
    frame = frames.build(party.mac["c1"], topology.LAN_MAC, payload=b"to c1")
    tap.expect_equal(who_sees(party, "lan", frame), {"c1": 1}, "unicast LAN to c1")
    frame = frames.build(topology.LAN_MAC, party.mac["c2"], payload=b"to the LAN")
    tap.expect_equal(who_sees(party, "c2", frame), {"lan": 1}, "unicast c2 to the LAN")


@plan.case("unknown unicast of a client goes to the gateway only [RELAY-5]")
def unknown_up(party):
    frame = frames.build(STRANGER, party.mac["c1"], payload=b"anybody?")
    tap.expect_equal(who_sees(party, "c1", frame), {"lan": 1}, "unknown unicast of c1")


@plan.case("unknown unicast of the LAN goes to no client [RELAY-5 GW-4]")
def unknown_down(party):
    frame = frames.build("02:99:99:99:99:98", topology.LAN_MAC, payload=b"anybody?")
    tap.expect_equal(who_sees(party, "lan", frame), {}, "unknown unicast of the LAN")


@plan.case("a LAN host that borrows a client's MAC does not capture its frames [RELAY-5]")
def never_over_announced(party):
    before = frames.build(frames.BROADCAST, party.mac["c2"], payload=b"I am c2, really")
    party.ports["lan"].send(before)
    time.sleep(0.2)
    frame = frames.build(party.mac["c2"], party.mac["c1"], payload=b"still to c2")
    tap.expect_equal(who_sees(party, "c1", frame), {"c2": 1}, "unicast c1 to c2 after a LAN frame from c2's MAC")
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
    tap.expect_equal(who_sees(party, "c1", frame), {"lan": 1}, "unicast of c1 to a learned MAC")
    tap.expect_equal(learned(), before + 2, "learned MACs")


@plan.case("a client whose MAC was learned on the LAN before gets its frames once it has joined [RELAY-5]")
def announced_wins(party):
    mac = "02:77:77:77:77:01"
    party.ports["lan"].send(frames.build(frames.BROADCAST, mac, payload=b"I was here first"))
    frame = frames.build(mac, party.mac["c1"], payload=b"to the station")
    tap.expect_equal(who_sees(party, "c1", frame), {"lan": 1}, "unicast to the MAC while it is on the LAN")
    late = daemons.make_client(party, "c2", name="late", tap="late0", virtual_mac=mac).start()
    port = party.ports["late"] = frames.Port(party.c2, "late0")
    try:
        frame = frames.build(mac, party.mac["c1"], payload=b"to the client")
        tap.expect_equal(who_sees(party, "c1", frame), {"late": 1}, "unicast to the MAC once a client has it")
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
    tap.expect_equal(who_sees(party, "c1", *sent), {}, "frames with a forged source")
    tap.expect_equal(count(), before + 2, "forged_source at the client")


@plan.case("a multicast source MAC goes nowhere, from either side [FILTER-1]")
def multicast_source(party):
    frame = frames.build(frames.BROADCAST, "03:00:00:00:00:01", payload=b"bad source")
    tap.expect_equal(who_sees(party, "c1", frame), {}, "multicast source from c1")
    tap.expect_equal(who_sees(party, "switch", frame), {}, "multicast source from the LAN")
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


@plan.case("a client that is killed leaves the room with the reason timed_out, and can come back at once [RELAY-13]")
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
