#!/usr/bin/python3 -B
"""A client whose machine bridges its TAP back into the party's LAN: isolated alone, told why, let in again. Two rooms'
gateways on one LAN are no loop."""

import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, distance, forbidden, frames, hostile, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

ISOLATED_WITHIN = 2.0
SURPLUS = 1000
CLEAR = 10.0  # seconds after the last probe that came back
LAN2_MAC = "00:16:3e:77:00:03"
TEXT = b"background "


def setup():
    party = standard.start()
    # The culprit's machine has a cable into the party's switch, too.
    frames_of = party.spaces
    frames_of["c1"].batch([f"link add name lanleg netns {frames_of['c1'].name} type veth "
                           f"peer name c1leg netns {frames_of['switch'].name}"])
    party.switch.batch(["link set c1leg master br0", "link set c1leg up"])
    party.watch = {daemon.name: hostile.Watch(daemon) for daemon in party.daemons}
    party.mac = {role: party.spaces[role].mac("softlan0") for role in party.clients}
    party.peer = {peer.get("mac") or "gateway": peer["id"] for peer in party.relayd.peers()}
    traffic.ping(party.c1, topology.LAN_HOST)
    traffic.ping(party.c2, topology.LAN_HOST)
    return party


plan = tap.Plan(setup)


def bridge(party):
    """As "bridge connections" on a desktop does: both interfaces become ports of one bridge. Returns when."""
    party.c1.batch(["link add br0 type bridge stp_state 0 forward_delay 0", "link set lanleg master br0",
                    "link set lanleg up", "link set br0 up"])
    party.c1.batch(["link set softlan0 master br0"])
    return time.monotonic()


def unbridge(party):
    party.c1.batch(["link set softlan0 nomaster", "link del br0", "link set lanleg down"])
    return time.monotonic()


class Background:
    """What any LAN has: broadcasts of a host, ARP, and another player's announcements; each frame is another one."""

    def __init__(self, party):
        self.ports = [(frames.Port(party.lan, "eth0"), topology.LAN_MAC, topology.LAN_HOST),
                      (frames.Port(party.c2, "softlan0"), party.mac["c2"], party.address["c2"])]
        self.stopping = threading.Event()
        self.sent = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.stopping.wait(0.02):
            for number, (port, mac, address) in enumerate(self.ports):
                self.sent += 1
                text = TEXT + b"%d" % self.sent
                port.send(frames.build(frames.BROADCAST, mac, payload=text))
                if self.sent % 20 == number:
                    port.send(forbidden.arp(1, mac, mac, address, f"10.77.0.{200 + self.sent // 20 % 50}"))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        for port, _, _ in self.ports:
            port.close()


class Surplus(frames.Listening):
    """Counts what a loop puts on the LAN: all that comes from the culprit's cable, and each frame of the background
    that the gateway's cable carries towards the LAN although it came from there, or a second time."""

    def __init__(self, party):
        self.party = party
        super().__init__({"culprit": frames.Port(party.switch, "c1leg"), "gateway": frames.Port(party.switch, "gw")})

    def count(self):
        by_gateway, again, seen = self.recorder.seen("gateway"), 0, set()
        for frame in by_gateway:
            if frames.ethertype(frame) == 0x88B5:  # its own refresh of the switches' tables
                continue
            if frames.source(frame) == topology.LAN_MAC or (TEXT in frame and frame in seen):
                again += 1
            seen.add(frame)
        return {"culprit": len(self.recorder.seen("culprit")), "gateway": again}


def pinging(party, count, pace=0.05):
    """A player's ping in the background: times by sequence number."""
    result = {}
    thread = threading.Thread(target=lambda: result.update(
        traffic.ping_times(party.c2, topology.LAN_HOST, count, pace)), daemon=True)
    thread.start()
    return thread, result


def expect_lost(lost, lasted):
    """Pings may have been lost while the loop lasted, but none before it, and none afterwards."""
    first, last = 20 - 2, 20 + (lasted + 0.4) / 0.05
    tap.expect(all(first <= number <= last for number in lost), f"pings lost: {lost}, the loop lasted {lasted:.2f} s")


def probes_at(recorder, name):
    return [frame for frame in recorder.seen(name) if frames.ethertype(frame) == frames.ETH_OWN and frame[14:18] == b"SLP1"]


def expect_quiet(party, names=None):
    """Nobody has raised an alarm."""
    for name in names or party.watch:
        tap.expect_equal(party.watch[name].seen("loop"), [], f"alarms at {name}")


def isolated(party):
    return sorted(peer["mac"] for peer in party.relayd.peers() if peer.get("isolated"))


@plan.case("probes reach each client once a second and nobody's LAN; no alarm without a loop [RELAY-4]")
def idle(party):
    ports = {"c1": frames.Port(party.c1, "softlan0"), "c2": frames.Port(party.c2, "softlan0"),
             "wire": frames.Port(party.switch, "gw")}
    try:
        with frames.Recorder(ports) as recorder, Background(party):
            time.sleep(4)
        for role in ("c1", "c2"):
            probes = probes_at(recorder, role)
            tap.expect(3 <= len(probes) <= 5, f"{len(probes)} probes in 4 s at {role}")
            tap.expect_equal({int.from_bytes(frame[26:28], "big") for frame in probes}, {party.peer[party.mac[role]]},
                             f"targets of the probes at {role}")
        tap.expect_equal(len(set(probes_at(recorder, "c1") + probes_at(recorder, "c2"))),
                         len(probes_at(recorder, "c1") + probes_at(recorder, "c2")), "probes that differ")
        tap.expect_equal(probes_at(recorder, "wire"), [], "probes on the LAN")
        expect_quiet(party)
    finally:
        for port in ports.values():
            port.close()


@plan.case("a probe that a client makes up, or another's that it sends back itself, isolates nobody [RELAY-9]")
def false_evidence(party):
    port, lan, wire = (frames.Port(*place) for place in (
        (party.c2, "softlan0"), (party.lan, "eth0"), (party.switch, "gw")))
    try:
        wire.drain()
        probe = traffic.eventually("a probe", port.receive, 3)
        while frames.ethertype(probe) != frames.ETH_OWN or probe[14:18] != b"SLP1":
            probe = traffic.eventually("a probe", port.receive, 3)
        port.send(probe)  # its own, into the tunnel
        own = probe[:6] + frames.mac_bytes(party.mac["c2"]) + probe[12:]
        port.send(own)
        victim = party.peer[party.mac["c1"]].to_bytes(2, "big")
        for room in (probe[18:26], bytes(7) + b"\x63"):  # on the LAN: another target, or room, under that token
            lan.send(probe[:18] + room + victim + probe[28:])
        time.sleep(1)
        tap.expect_equal(isolated(party), [], "isolated peers")
        expect_quiet(party, ["relay"])
        while (frame := wire.receive()) is not None:
            tap.expect(frame[14:18] != b"SLP1", "a probe of a client was forwarded to the LAN")
    finally:
        for one in (port, lan, wire):
            one.close()


@plan.case("a client bridged into the LAN: isolated within 2 s, under 1,000 surplus frames, and said everywhere "
           "[RELAY-9 OBS-1 OBS-4]", limit=120)
def loop(party):
    relay, gateway, culprit = party.relayd, party.gateway, party.clients["c1"]
    watch = party.watch
    alarms_before = len(watch["gateway"].seen("loop"))
    with Background(party), Surplus(party) as surplus:
        thread, times = pinging(party, 200)  # 10 s
        time.sleep(1)
        tap.expect_equal(sum(surplus.count().values()), 0, "surplus frames before the loop")
        start = bridge(party)
        watch["relay"].wait("loop", ISOLATED_WITHIN + 3, peer=party.peer[party.mac["c1"]])
        when, event = watch["relay"].timed("loop")[0]
        print(f"# isolated after {when - start:.2f} s: {event}")
        early = surplus.count()
        thread.join()
        count = surplus.count()
        print(f"# surplus frames: {early} when it was isolated, {count} after the pings; "
              f"others' ping: {len(times)} of 200")
        tap.expect(when - start <= ISOLATED_WITHIN, f"isolated after {when - start:.2f} s")
        tap.expect(sum(count.values()) < SURPLUS, f"surplus frames on the LAN: {count}")
        tap.expect(0 < count["culprit"], "there was no loop at all")
        lost = sorted(set(range(1, 201)) - set(times))
        print(f"# pings lost, 20 a second, the loop began at about number 20: {lost}")
        # Until the culprit is cut off, the switch may believe that the LAN's host is behind it.
        expect_lost(lost, when - start)
    tap.expect_equal(isolated(party), [party.mac["c1"]], "isolated peers")
    said(party, relay, gateway, culprit, alarms_before)
    cut_off(party)


def cut_off(party):
    """Nothing of the room comes to the culprit but probes, and nothing of the culprit's into the room."""
    ports = {role: frames.Port(party.spaces[role], "softlan0") for role in ("c1", "c2")}
    ports["wire"] = frames.Port(party.switch, "gw")
    mine = [frames.build(to, party.mac["c1"], payload=b"of c1")
            for to in (frames.BROADCAST, party.mac["c2"], topology.LAN_MAC)]
    others = frames.build(frames.BROADCAST, party.mac["c2"], payload=b"not for c1")
    def dropped():
        return next(peer["drops"].get("loop", 0) for peer in party.relayd.peers() if peer.get("mac") == party.mac["c1"])
    try:
        with frames.Recorder(ports) as recorder:
            before = dropped()
            for frame in mine:
                ports["c1"].send(frame)
            ports["c2"].send(others)
            traffic.eventually("c2's broadcast is on the LAN", lambda: others in recorder.seen("wire"), 2)
            time.sleep(1.5)
        probes = probes_at(recorder, "c1")
        tap.expect(probes, "the isolated client got no probe any more")
        # Its own bridge sends into the TAP, which is the other direction; what comes out of it came from the room.
        tap.expect_equal([one.hex() for one in recorder.seen("c1") if one not in probes], [], "frames for the culprit")
        for place in ("c2", "wire"):
            tap.expect_equal([one.hex() for one in recorder.seen(place) if one in mine], [], f"its frames at {place}")
        tap.expect(dropped() >= before + len(mine), "its frames are not counted as `loop` at the relay")
    finally:
        for port in ports.values():
            port.close()


def said(party, relay, gateway, culprit, alarms_before):
    """The log, `watch` and the culprit's status say what happened."""
    mac, peer = party.mac["c1"], party.peer[party.mac["c1"]]
    event = party.watch["relay"].seen("loop")[-1]
    tap.expect_equal({name: event.get(name) for name in ("room", "peer", "mac")},
                     {"room": "ROOM1", "peer": peer, "mac": mac}, "the relay's event")
    party.watch["gateway"].wait("loop", 2, alarms_before + 1, peer=peer, mac=mac)
    notice = party.watch["c1"].wait("notice", 2, reason="loop", isolated=True)
    tap.expect("bridge" in notice["message"], f"the notice: {notice}")
    for daemon, words in ((relay, ("isolated", mac)), (gateway, (mac, "bridge")), (culprit, ("isolated", "bridge"))):
        tap.expect(any(all(word in line for word in words) for line in daemon.log().splitlines()),
                   f"{daemon.name}: no log line with {words}")
    status = culprit.status()
    texts = status["sentences"] + status["warnings"]
    print(f"# the culprit's status: {texts}")
    tap.expect(any("cut" in text and "bridge" in text for text in texts), f"the culprit's status: {texts}")
    tap.expect("bridge" in culprit.ctl_text("status"), "softlanctl status does not show it")
    tap.expect_equal(status.get("isolated"), True, "isolated in the status")
    tap.expect(status["connected"], "the culprit was disconnected")
    tap.expect(party.clients["c2"].status().get("isolated") in (None, False), "c2 is isolated")
    tap.expect(not party.watch["c2"].seen("notice"), "c2 was told something")


@plan.case("once it is no longer bridged it is let in again, and told so [RELAY-9]", limit=60)
def let_in(party):
    watch, peer = party.watch, party.peer[party.mac["c1"]]
    time.sleep(3)
    tap.expect_equal(watch["relay"].seen("loop_cleared"), [], "let in while it is bridged")
    start = unbridge(party)
    watch["relay"].wait("loop_cleared", CLEAR + 5, peer=peer)
    when = watch["relay"].timed("loop_cleared")[0][0]
    print(f"# let in again after {when - start:.1f} s")
    tap.expect(CLEAR - 2 <= when - start <= CLEAR + 2.5, f"let in after {when - start:.1f} s")
    watch["c1"].wait("notice", 2, reason="loop", isolated=False)
    tap.expect_equal(isolated(party), [], "isolated peers")
    status = party.clients["c1"].status()
    tap.expect(not status.get("isolated"), "isolated in the status")
    tap.expect(not any("cut" in text and "off" in text for text in status["sentences"]), f"{status['sentences']}")
    standard.give_address(party, "c1")
    traffic.eventually("c1 reaches the LAN again", lambda: _pings(party.c1), 5)
    tap.expect_equal(len(watch["relay"].seen("loop")), 1, "alarms in all")


def _pings(space):
    try:
        return traffic.ping(space, topology.LAN_HOST, count=1, deadline=1) >= 0
    except hostile.ns.CommandFailed:
        return False


@plan.case("two rooms' gateways on one LAN: both rooms reach it, no alarm [GW-2 RELAY-4]", limit=120)
def two_rooms(party):
    party.gw.sysctl("ipv6/conf/default/disable_ipv6", 1)
    party.gw.batch([f"link add name lan1 address {LAN2_MAC} netns {party.gw.name} type veth "
                    f"peer name gw2 netns {party.switch.name}"])
    party.gw.batch(["link set lan1 up"])
    party.switch.batch(["link set gw2 master br0", "link set gw2 up"])
    party.second = daemons.make_gateway(party, name="gateway2", room="ROOM2", interface="lan1").start()
    party.clients["c2"].stop()
    party.watch.pop("c2").close()
    party.clients["c2"].settings["room"] = "ROOM2"
    party.clients["c2"].start()
    standard.give_address(party, "c2")
    for name, daemon in (("gateway2", party.second), ("c2", party.clients["c2"])):
        party.watch[name] = hostile.Watch(daemon)
    before = {name: len(watch.seen("loop")) for name, watch in party.watch.items()}
    with Background(party):
        for _ in range(4):
            for space in (party.c1, party.c2):
                traffic.ping(space, topology.LAN_HOST, count=10, interval=0.05)
            # The rooms are each other's LAN.
            traffic.ping(party.c1, party.address["c2"], count=5)
            time.sleep(1)
    for daemon in (party.gateway, party.second):
        drops = {reason: count for reason, count in daemon.counters()["drops"].items() if count}
        print(f"# drops at {daemon.name}: {drops}")
    tap.expect_equal({name: len(watch.seen("loop")) for name, watch in party.watch.items()}, before, "alarms")
    tap.expect_equal(isolated(party), [], "isolated peers")


@plan.case("a loop of one room beside another room: the culprit alone is isolated, the other room plays on "
           "[RELAY-4 RELAY-9]", limit=120)
def two_rooms_one_loop(party):
    others = ("gateway2", "c2")
    with Background(party), Surplus(party) as surplus:
        thread, times = pinging(party, 160)
        time.sleep(1)
        start = bridge(party)
        party.watch["relay"].wait("loop", 5, 2, peer=party.peer[party.mac["c1"]])
        when, event = party.watch["relay"].timed("loop")[-1]
        print(f"# isolated after {when - start:.2f} s: {event}")
        thread.join()
        print(f"# surplus frames: {surplus.count()}; the other room's ping: {len(times)} of 160")
        tap.expect(when - start <= ISOLATED_WITHIN, f"isolated after {when - start:.2f} s")
        tap.expect(surplus.count()["culprit"] < SURPLUS, f"surplus frames: {surplus.count()}")
    tap.expect_equal(isolated(party), [party.mac["c1"]], "isolated peers")
    for name in others:
        tap.expect_equal(party.watch[name].seen("loop"), [], f"alarms at {name}, of another room")
    tap.expect(all(one.get("room") == "ROOM1" for one in party.watch["relay"].seen("loop")),
               json.dumps(party.watch["relay"].seen("loop")))
    lost = sorted(set(range(1, 161)) - set(times))
    expect_lost(lost, when - start)
    unbridge(party)
    party.watch["relay"].wait("loop_cleared", CLEAR + 5, 2)


@plan.case("a loop over a relay that is 30 ms away, where a frame goes round too slowly to be an excess "
           "[RELAY-9]", limit=120)
def far_away(party):
    party.clients["c2"].settings["room"] = "ROOM1"
    far = distance.Distance(party, 0.015)
    try:
        for daemon in (party.gateway, *party.clients.values()):
            party.watch.pop(daemon.name).close()
            daemon.stop()
            daemon.settings.update(relay=distance.ADDRESS, server_name="softlan-relay.local")
            daemon.start()
            party.watch[daemon.name] = hostile.Watch(daemon)
        for role in party.clients:
            standard.give_address(party, role)
        away = traffic.ping(party.c2, topology.LAN_HOST)  # over the relay and back
        tap.expect(away >= 60, f"the ping takes {away} ms only")
        tried = []
        for _ in range(3):  # the moment of the bridging within a second is chance
            with Background(party), Surplus(party) as surplus:
                time.sleep(0.5)
                alarms = len(party.watch["relay"].seen("loop"))
                start = bridge(party)
                party.watch["relay"].wait("loop", 5, alarms + 1)
                when = party.watch["relay"].timed("loop")[-1][0]
                time.sleep(1)
                tried.append((round(when - start, 2), surplus.count()["culprit"]))
            unbridge(party)
            party.watch["relay"].wait("loop_cleared", CLEAR + 5, 3 + len(tried) - 1)
        print(f"# isolated after (s), surplus frames: {tried}")
        tap.expect(all(lasted <= ISOLATED_WITHIN and count < SURPLUS for lasted, count in tried), f"{tried}")
    finally:
        for daemon in (party.gateway, *party.clients.values()):
            daemon.stop()
        far.close()


if __name__ == "__main__":
    plan.main()
