#!/usr/bin/python3 -B
"""The counters are exact: what goes in comes out, and everybody counts the same."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import frames, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

COUNT = 10_000
RATE = 1_000

# A broadcast of the LAN's kernel that came before the client is none that the client could count.
plan = tap.Plan(lambda: standard.start(clients=("c1",), quiet=True))


def snapshot(party):
    """What client, relay and gateway have counted, keyed by the place and the direction that the
    frames took: up is client to LAN."""
    relay = {peer["role"]: peer for peer in party.relayd.peers()}
    room = party.relayd.ctl("rooms", "ROOM1")["rooms"][0]
    client, gateway = party.clients["c1"].counters(), party.gateway.counters()
    (of_gateway,), (of_client,) = party.clients["c1"].peers(), party.gateway.peers()
    result = {}
    for unit in ("frames", "bytes"):
        result[f"up {unit}"] = {
            "client sent": client[f"tx_{unit}"], "relay got from client": relay["client"][f"rx_{unit}"],
            "relay sent to gateway": relay["gateway"][f"tx_{unit}"], "gateway got": gateway[f"rx_{unit}"],
            "gateway got from the client": of_client[f"rx_{unit}"],
            "room less the other way": room[unit] - relay["gateway"][f"rx_{unit}"]}
        result[f"down {unit}"] = {
            "gateway sent": gateway[f"tx_{unit}"], "relay got from gateway": relay["gateway"][f"rx_{unit}"],
            "relay sent to client": relay["client"][f"tx_{unit}"], "client got": client[f"rx_{unit}"],
            "client got from the gateway": of_gateway[f"rx_{unit}"]}
    drops = {"client": client["drops"], "gateway": gateway["drops"],
             **{f"relay, {role}": peer["drops"] for role, peer in relay.items()}}
    return result, drops


def settled(party):
    """The counters once nothing moves any more."""
    last = snapshot(party)
    for _ in range(40):
        time.sleep(0.25)
        now = snapshot(party)
        if now == last:
            return now
        last = now
    raise AssertionError(f"the counters never come to rest: {last}")


def equal_sums(counts):
    for way, places in counts.items():
        tap.expect(len(set(places.values())) == 1, f"{way}: {places}")


@plan.case("sums are equal at client, relay and gateway before anything else happens [OBS-2]")
def at_rest(party):
    traffic.ping(party.c1, topology.LAN_HOST)  # the relay learns the LAN host's MAC
    counts, _ = settled(party)
    equal_sums(counts)


@plan.case("10,000 frames of 60 to 1,514 bytes each way at 1,000/s: all arrive, sums equal [OBS-2 PROTO-1 RELAY-4]",
           limit=120)
def exact(party):
    ports = standard.ports(party, "lan", "c1")
    mac = party.c1.mac("softlan0")
    longest = party.c1.mtu("softlan0") + 14
    tap.expect(longest >= 1514, f"the room's MTU is only {longest - 14}")  # the longest go in two parts
    sizes = [60 + number * (1514 - 60) // (COUNT - 1) for number in range(COUNT)]
    numbered = [(number, number.to_bytes(4, "big"), size) for number, size in enumerate(sizes)]
    up = [frames.build(topology.LAN_MAC, mac, payload=text, size=size) for _, text, size in numbered]
    down = [frames.build(mac, topology.LAN_MAC, payload=text, size=size) for _, text, size in numbered]
    before, drops_before = settled(party)
    try:
        with frames.Recorder(ports, lambda frame: frames.ethertype(frame) == frames.ETH_TEST) as recorder:
            senders = [threading.Thread(target=frames.send_at_rate, args=(ports[role], some, RATE))
                       for role, some in (("c1", up), ("lan", down))]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            recorder.wait("lan", COUNT)
            recorder.wait("c1", COUNT)
    finally:
        for port in ports.values():
            port.close()
    after, drops_after = settled(party)
    for place, sent in (("lan", up), ("c1", down)):
        got = recorder.seen(place)
        tap.expect_equal(len(got), COUNT, f"frames that arrived at {place} (drops: {drops_after})")
        tap.expect_equal(sorted(got), sorted(sent), f"the frames at {place}")
    tap.expect_equal(drops_after, drops_before, "drops")
    equal_sums(after)
    for way in before:
        grown = {place: count - before[way][place] for place, count in after[way].items()}
        tap.expect(len(set(grown.values())) == 1, f"{way} grew by {grown}")
        least = COUNT if way.endswith("frames") else sum(sizes)
        tap.expect(least <= min(grown.values()) <= least + least // 50, f"{way} grew by {grown}, sent {least}")


@plan.case("the endpoints' own stats arrive at the relay (`reported`) and agree [CTRL-5 RELAY-12 GW-7 CORE-5]")
def reported(party):
    def agree():
        own = {"client": party.clients["c1"].counters(), "gateway": party.gateway.counters()}
        said = {peer["role"]: peer.get("reported") or {} for peer in party.relayd.peers()}
        return all(said[role].get(name) == counters[name] for role, counters in own.items()
                   for name in ("rx_frames", "tx_frames", "rx_bytes", "tx_bytes"))
    traffic.eventually("the relay has the endpoints' own numbers", agree, 25, step=0.5)


@plan.case("frames above the MTU are dropped and counted at the sender, at their length [FILTER-8 GW-2]")
def oversize(party):
    # A wire of the common MTU has no such frames for a room of 1500: the gateway goes without the larger one.
    party.gateway.stop()
    party.gateway.settings["datagram"] = {"split": False}
    party.gateway.start()
    ports = standard.ports(party, "lan", "c1")
    mac = party.c1.mac("softlan0")
    longest = party.gateway.status()["mtu"] + 14
    tap.expect_equal(longest, 1396, "the longest frame at a gateway without split")
    before = party.gateway.counters()["drops"].get("over_mtu", 0)
    try:
        with frames.Recorder(ports, lambda frame: frames.ethertype(frame) == frames.ETH_TEST) as recorder:
            ports["lan"].send(frames.build(mac, topology.LAN_MAC, size=longest + 1))
            ports["lan"].send(frames.build(mac, topology.LAN_MAC, size=longest))
            tap.expect(recorder.wait("c1", 1), "the frame of exactly the MTU did not arrive")
            time.sleep(0.3)
        tap.expect_equal([len(frame) for frame in recorder.seen("c1")], [longest], "lengths that arrived")
    finally:
        for port in ports.values():
            port.close()
    tap.expect_equal(party.gateway.counters()["drops"].get("over_mtu", 0), before + 1, "over_mtu at the gateway")


if __name__ == "__main__":
    plan.main()
