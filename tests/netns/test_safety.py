#!/usr/bin/python3 -B
"""Nothing harmful crosses, seen from outside: hostile peers that skip every check, a hostile LAN, a hostile relay.
What they send is not on the LAN's wire and not at a player's TAP, and each frame is counted under its own reason."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, forbidden, frames, hostile, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

RULES = ("invalid_source", "forged_source", "switch_control", "vlan_tag", "dhcp_server", "dhcpv6_server",
         "router_advertisement", "redirect", "multicast_query", "ipv6_fragment", "header_chain", "arp_guard", "loop")
ALWAYS = ("runt", "malformed", "datagram_budget")  # the relay has no switch for these
STRANGER = "02:99:99:99:99:99"
CAM = 0x88B5  # the gateway's refresh frames: they have the players' MACs as their source
OWN = "10.77.0.66"  # an address that the hostile peer may use


def setup():
    party = standard.start(clients=(), dhcp=True)
    party.clients["c2"] = daemons.make_client(party, "c2").start()
    party.mac = party.c2.mac("softlan0")
    party.rules = True
    lease(party)
    party.catalogue = forbidden.Catalogue(hostile.MAC, party.mac, STRANGER).all
    party.marker = 0
    return party


plan = tap.Plan(setup)


def stage(party, rules=True, gateway=True, player=True):
    """Who is there in the next case: the relay with its rules on (True), off (False), or no relay (None)."""
    if party.relayd.alive() and rules is not party.rules:
        party.relayd.stop()
    if rules is not None and not party.relayd.alive():
        policy = {rule: False for rule in RULES}
        party.relayd.settings["rooms"] = [] if rules else [{"code": "ROOM1", "secret": "", "policy": policy}]
        party.relayd.start()
    party.rules = rules
    changed = False
    for daemon, wanted in ((party.gateway, gateway), (party.clients["c2"], player)):
        if wanted and not daemon.alive():
            daemon.start(wait=rules is not None)
            changed = True
        elif not wanted and daemon.alive():
            daemon.stop()
        elif wanted and rules is not None:
            changed |= not daemon.connected()
            traffic.eventually(f"{daemon.name} is in the room", daemon.connected, 20)
    if changed and rules is not None and gateway and player:
        lease(party)


def lease(party):
    """A real lease, and a real router advertisement: relay and gateway know the router and c2 now."""
    party.address["c2"] = traffic.lease(party, "c2")
    traffic.eventually("c2 has an IPv6 address", lambda: any(
        one.startswith("fd77:") for one in party.c2.addresses("softlan0", 6)), 15)
    party.c2.batch(["neigh flush dev softlan0"])  # it asks anew, and so shows its addresses
    traffic.ping(party.c2, topology.LAN_HOST)
    traffic.ping(party.c2, topology.LAN_HOST6)


def relay_drops(party, mac=hostile.MAC):
    return next(peer["drops"] for peer in party.relayd.peers() if peer.get("mac") == mac)


def drops_of(daemon):
    return {reason: count for reason, count in daemon.counters()["drops"].items() if count}


def difference(before, after):
    return {reason: count - before.get(reason, 0) for reason, count in after.items() if count != before.get(reason, 0)}


class Places(frames.Listening):
    """Captures at the LAN's wire (what the gateway's cable carries, before any switch), at the LAN host and at c2's
    TAP; knows what must not be there, and what shows that the way is open."""

    def __init__(self, party, names, sources=(hostile.MAC, STRANGER)):
        self.party, self.sources, self.markers = party, sources, []
        spots = {"wire": (party.switch, "gw"), "lan": (party.lan, "eth0"), "c2": (party.c2, "softlan0")}
        super().__init__({name: frames.Port(*spots[name]) for name in names})

    def open(self, send, source, to=frames.BROADCAST):
        """A harmless frame arrives at every place: the way is open, and all that was sent before has passed."""
        self.party.marker += 1
        frame = frames.build(to, source, payload=b"harmless %d" % self.party.marker)
        self.markers.append(frame)
        send(frame)
        for name in self.ports:
            traffic.eventually(f"a harmless frame is at {name}", lambda name=name: frame in self.recorder.seen(name), 3)

    def clean(self, sent):
        """None of these frames came anywhere, and nothing else from those who sent them."""
        bad = set(sent)
        for name in self.ports:
            seen = [frame for frame in self.recorder.seen(name) if frames.ethertype(frame) != CAM]
            tap.expect_equal([frame.hex() for frame in seen if frame in bad], [], f"forbidden frames at {name}")
            strays = [frame.hex() for frame in seen if frames.source(frame) in self.sources and frame not in self.markers]
            tap.expect_equal(strays, [], f"other frames of the hostile side at {name}")


def judged(cases, send, drops):
    """Sends (name, reason, frame) one by one: each is counted, once, under its reason and no other."""
    wrong = []
    for name, reason, frame in cases:
        before = drops()
        send(frame)
        end = time.monotonic() + 2
        while not (counted := difference(before, drops())) and time.monotonic() < end:
            time.sleep(0.005)
        if counted != {reason: 1}:
            wrong.append(f"{name}: {counted or 'not counted'} instead of {reason}")
            tap.expect(len(wrong) < 10, "ten, and no more were tried:\n" + "\n".join(wrong))
    tap.expect(not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong))


def sent_of(cases):
    return [frame for _, _, frame in cases]


def guard_cases(party):
    """Claims to addresses that are others'."""
    mac, router, player = hostile.MAC, topology.LAN_HOST, party.address["c2"]
    def six(space, interface, prefix):
        text = next(one for one in space.addresses(interface, 6) if one.startswith(prefix))
        return frames.socket.inet_pton(frames.socket.AF_INET6, text)
    router6, player6 = six(party.lan, "eth0", "fe80:"), six(party.c2, "softlan0", "fd77:")
    own6, everyone = forbidden.SIX, frames.BROADCAST
    cases = {
        "ARP answer with the router's address": forbidden.arp(2, mac, mac, router, player, party.mac, party.mac),
        "ARP announcement of the router's address": forbidden.arp(1, mac, mac, router, router),
        "ARP question from the router's address": forbidden.arp(1, mac, mac, router, player),
        "ARP announcement of another player's address": forbidden.arp(2, mac, mac, player, player, everyone, everyone),
        "ARP with the LAN host's MAC as its sender": forbidden.arp(2, mac, topology.LAN_MAC, OWN, player),
        "ARP with another player's MAC as its sender": forbidden.arp(2, mac, party.mac, player, router),
        "advertisement of the router's IPv6 address": forbidden.neighbor(136, mac, own6, router6),
        "advertisement of another player's IPv6 address": forbidden.neighbor(136, mac, own6, player6),
        "advertisement that names the LAN host's MAC": forbidden.neighbor(136, mac, own6, own6, topology.LAN_MAC),
        "solicitation from the router's IPv6 address": forbidden.neighbor(135, mac, router6, player6),
        "solicitation from another player's IPv6 address": forbidden.neighbor(135, mac, player6, router6),
    }
    return [(name, "arp_guard", frame) for name, frame in cases.items()]


def honest_claims(party):
    """ARP and Neighbor Discovery as every computer does it."""
    mac = hostile.MAC
    return [forbidden.arp(1, mac, mac, "0.0.0.0", OWN), forbidden.arp(1, mac, mac, OWN, OWN),
            forbidden.arp(1, mac, mac, OWN, topology.LAN_HOST),
            forbidden.arp(2, mac, mac, OWN, party.address["c2"], party.mac, party.mac),
            forbidden.neighbor(136, mac, forbidden.SIX, forbidden.SIX)]


# --- a hostile client, at a relay that keeps its rules

@plan.case("every forbidden frame of a hostile client is counted at the relay, and is on no wire "
           "[FILTER-1 FILTER-2 FILTER-3 FILTER-4 FILTER-5 FILTER-6 FILTER-7 FILTER-9 RELAY-6 RELAY-9]", limit=240)
def relay_filters(party):
    stage(party)
    reasons = {reason for _, reason, _ in party.catalogue}
    tap.expect_equal(reasons | {"arp_guard", "loop"}, set(RULES) | set(ALWAYS), "classes in the catalogue")
    print(f"# {len(party.catalogue)} frames")
    gateway, player = drops_of(party.gateway), drops_of(party.clients["c2"])
    with hostile.RawPeer(party) as raw, Places(party, ("wire", "lan", "c2")) as places:
        places.open(raw.send, raw.mac)
        judged(party.catalogue, raw.send, lambda: relay_drops(party))
        places.open(raw.send, raw.mac)
        places.clean(sent_of(party.catalogue))
        party.relayd.check()
    for daemon, before in ((party.gateway, gateway), (party.clients["c2"], player)):
        tap.expect_equal(difference(before, drops_of(daemon)), {}, f"drops at {daemon.name}, which nothing reached")


@plan.case("the addresses of the router and of another player cannot be claimed; the peer is told [RELAY-9]")
def relay_guards(party):
    stage(party)
    with hostile.RawPeer(party) as raw, Places(party, ("wire", "lan", "c2")) as places:
        cases = guard_cases(party)
        places.markers += honest_claims(party)
        places.open(raw.send, raw.mac)
        for frame in honest_claims(party)[:4]:
            raw.send(frame)
        judged(cases, raw.send, lambda: relay_drops(party))
        for frame in honest_claims(party):
            raw.send(frame)
        places.open(raw.send, raw.mac)
        places.clean(sent_of(cases))
        tap.expect_equal(relay_drops(party), {"arp_guard": len(cases)}, "drops of the hostile peer at the relay")
        seen = places.recorder.seen("wire")
        missing = [frame.hex() for frame in honest_claims(party) if frame not in seen and frames.destination(frame)
                   in (frames.BROADCAST, forbidden.ALL_NODES_MAC)]
        tap.expect_equal(missing, [], "honest claims that did not reach the LAN")
        notice = traffic.eventually("a notice", lambda: raw.message("notice", reason="arp_guard"), 2)[0]
        print(f"# notice: {notice}")
        tap.expect(notice.get("frames", 0) >= 1 and not notice.get("isolated") and notice["message"], notice)
        tap.expect(len(raw.message("notice")) == 1, "more than one notice for one reason within 10 s")
    traffic.ping(party.c2, topology.LAN_HOST)


@plan.case("what a player has claimed is free again once it has left [RELAY-9 RELAY-13]")
def guard_forgets(party):
    stage(party)
    client = party.clients["c2"]
    claim = forbidden.arp(1, hostile.MAC, hostile.MAC, party.address["c2"], party.address["c2"])
    router = forbidden.arp(1, hostile.MAC, hostile.MAC, topology.LAN_HOST, topology.LAN_HOST)
    with hostile.RawPeer(party) as raw, Places(party, ("wire",)) as places:
        judged([("c2's address", "arp_guard", claim)], raw.send, lambda: relay_drops(party))
        client.stop()
        raw.send(claim)
        traffic.eventually("the claim is on the LAN", lambda: claim in places.recorder.seen("wire"), 2)
        judged([("the router's address", "arp_guard", router)], raw.send, lambda: relay_drops(party))
        places.open(raw.send, raw.mac)
        tap.expect(router not in places.recorder.seen("wire"), "the router's address was claimed")


@plan.case("one frame: a log line with the frame vocabulary, an event in `watch` [OBS-1 RELAY-9]")
def said(party):
    stage(party)
    _, _, frame = next(one for one in party.catalogue if one[0] == "an offer")
    watch = hostile.Watch(party.relayd)
    try:
        with hostile.RawPeer(party) as raw:
            before = len(party.relayd.log())
            for _ in range(20):
                raw.send(frame)
            event = watch.wait("filtered", 3, reason="dhcp_server")
            traffic.eventually("20 are counted", lambda: relay_drops(party).get("dhcp_server") == 20, 3)
            wanted = {"event": "filtered", "room": "ROOM1", "peer": raw.id, "reason": "dhcp_server", "src": raw.mac,
                      "dst": frames.BROADCAST, "len": len(frame), "action": "filtered"}
            tap.expect_equal({name: event.get(name) for name in wanted}, wanted, f"the event {event}")
            tap.expect(event.get("ethertype") is not None and event.get("direction") and event.get("time"), event)
            time.sleep(0.3)
            tap.expect_equal(len(watch.seen("filtered", reason="dhcp_server")), 1, "events in 10 s for one reason")
            lines = [line for line in party.relayd.log()[before:].splitlines() if "reason=dhcp_server" in line]
            tap.expect_equal(len(lines), 1, f"log lines in 10 s for one reason: {lines}")
            for word in ("direction ", "room ROOM1", f"peer {raw.id} ", f"src {raw.mac}", "dst ff:ff:ff:ff:ff:ff",
                         "ethertype 0x0800", f"len {len(frame)}", "action filtered"):
                tap.expect(word in lines[0], f"{word!r} is not in the log line: {lines[0]}")
            shown = party.relayd.ctl_text("peers")
            tap.expect("20" in shown, f"softlanctl peers shows no drops: {shown}")
    finally:
        watch.close()


@plan.case("malformed datagrams are counted, and at the threshold the peer is disconnected [PROTO-1 PROTO-2 RELAY-11]")
def malformed_datagrams(party):
    stage(party)
    before = party.relayd.counters()["drops"]["malformed"]
    with_header = bytes([0x11, 0, 0, 1]) + frames.build(frames.BROADCAST, hostile.MAC)
    raw = hostile.RawPeer(party)
    try:
        bad = [b"\x11", b"\x21" + with_header[1:], b"\x12" + with_header[1:], b"\x13" + with_header[1:],
               b"\x1f" + with_header[1:], b"\x11\x01" + with_header[2:], b"\x11\0\0\0" + with_header[4:], with_header]
        for number in range(31):
            raw.datagram(bad[number % len(bad)])
        traffic.eventually("31 are counted", lambda: relay_drops(party).get("malformed") == 31, 3)
        time.sleep(0.3)
        tap.expect(not raw.seen("closed"), "closed below the threshold")
        raw.datagram(bad[0])
        closed = raw.wait("closed", 3)
        tap.expect_equal(closed["code"], 3, "close code")
        tap.expect_equal([one["reason"] for one in raw.message("disconnect")], ["malformed_datagrams"], "disconnect")
    finally:
        raw.close()
    tap.expect_equal(party.relayd.counters()["drops"]["malformed"] - before, 32, "malformed at the relay")


# --- at a relay that keeps none: the gateway's own account, and a player's

@plan.case("with the relay's rules off, the gateway counts each of them, and none is on the LAN "
           "[FILTER-1 FILTER-2 FILTER-3 FILTER-4 FILTER-5 FILTER-6 FILTER-7 GW-3]", limit=240)
def gateway_filters(party):
    stage(party, rules=False)
    cases = [one for one in party.catalogue if one[1] not in ALWAYS]
    players = drops_of(party.clients["c2"])
    with hostile.RawPeer(party) as raw, Places(party, ("wire", "lan", "c2")) as places:
        places.open(raw.send, raw.mac)
        judged(cases, raw.send, lambda: drops_of(party.gateway))
        places.open(raw.send, raw.mac)
        places.clean(sent_of(cases))
        tap.expect_equal(relay_drops(party), {}, "drops of the hostile peer at a relay without rules")
        # All but the one for the LAN alone went to the other player too, who judged for itself.
        counted = difference(players, drops_of(party.clients["c2"]))
        wanted = {}
        for _, reason, frame in cases:
            if frame[0] & 1:
                wanted[reason] = wanted.get(reason, 0) + 1
        tap.expect_equal(counted, wanted, "drops at c2")


@plan.case("with the relay's guard off, the gateway keeps the router's and the players' addresses [GW-3]")
def gateway_guards(party):
    stage(party, rules=False)
    # A claim by unicast to another player is none of the gateway's business: it never gets there.
    cases = [one for one in guard_cases(party) if one[2][0] & 1]
    with hostile.RawPeer(party) as raw, Places(party, ("wire", "lan")) as places:
        places.markers += honest_claims(party)
        places.open(raw.send, raw.mac)
        for frame in honest_claims(party):
            raw.send(frame)
        judged(cases, raw.send, lambda: drops_of(party.gateway))
        places.open(raw.send, raw.mac)
        places.clean(sent_of(cases))
        tap.expect_equal(relay_drops(party), {}, "drops of the hostile peer at a relay without rules")


# --- a hostile LAN

def lan_cases(party):
    cases = [one for one in forbidden.Catalogue(topology.LAN_MAC, party.mac).all
             if one[1] in ("switch_control", "invalid_source")]
    cases += [(name, "invalid_source", frames.build(party.mac, source, payload=b"to c2"))
              for name, source in (("unicast from a group", "01:00:5e:00:00:09"), ("unicast from zero", "00:" * 5 + "00"))]
    return cases


@plan.case("a hostile LAN: switch control, jumbo, invalid source, others' unicast do not reach a TAP "
           "[FILTER-1 FILTER-3 FILTER-8 GW-4 CORE-4]", limit=120)
def hostile_lan(party):
    stage(party)
    for space, names in ((party.lan, ("eth0",)), (party.switch, ("lan", "gw", "br0")), (party.gw, ("lan0",))):
        space.batch([f"link set {name} mtu 9000" for name in names])
    cases = lan_cases(party) + [
        (f"jumbo {size} to {to}", "jumbo", frames.build(to, topology.LAN_MAC, size=size, payload=b"jumbo"))
        for size in (1515, 9014) for to in (party.mac, frames.BROADCAST)]
    strangers = [frames.build(to, topology.LAN_MAC, payload=b"not yours") for to in (STRANGER, topology.GW_MAC)]
    # From behind the switch, and from the cable itself: a cheap switch forwards what this one keeps.
    wire, host = frames.Port(party.switch, "gw"), frames.Port(party.lan, "eth0")
    try:
        with Places(party, ("c2",), (STRANGER,)) as places:
            places.open(host.send, topology.LAN_MAC, party.mac)
            judged(cases, wire.send, lambda: drops_of(party.gateway))
            places.open(wire.send, topology.LAN_MAC)
            for frame in sent_of(cases) + strangers:
                host.send(frame)
            for frame in strangers:
                wire.send(frame)
            places.open(wire.send, topology.LAN_MAC)
            places.open(host.send, topology.LAN_MAC, party.mac)
            time.sleep(0.3)
            places.clean(sent_of(cases) + strangers)
        tap.expect(drops_of(party.clients["c2"]).get("misdirected", 0) == 0, "the relay sent others' unicast to c2")
    finally:
        wire.close()
        host.close()
        party.lan.batch(["link set eth0 mtu 1500"])


@plan.case("at a gateway without split, LAN frames over its MTU reach no TAP [FILTER-8 GW-2]")
def over_mtu(party):
    stage(party)
    party.gateway.stop()
    party.gateway.settings["datagram"] = {"split": False}
    party.gateway.start()
    lease(party)
    cases = [(f"over the MTU to {to}", "over_mtu", frames.build(to, topology.LAN_MAC, size=1397, payload=b"long"))
             for to in (party.mac, frames.BROADCAST)]
    host = frames.Port(party.lan, "eth0")
    try:
        with Places(party, ("c2",), (STRANGER,)) as places:
            places.open(host.send, topology.LAN_MAC, party.mac)
            judged(cases, host.send, lambda: drops_of(party.gateway))
            places.open(host.send, topology.LAN_MAC, party.mac)
            places.clean(sent_of(cases))
    finally:
        host.close()
        party.gateway.stop()
        del party.gateway.settings["datagram"]


@plan.case("a hostile gateway at a relay without rules: the player's own account holds [FILTER-1 FILTER-3 CORE-3]")
def hostile_gateway(party):
    stage(party, rules=False, gateway=False)
    client = party.clients["c2"]
    with hostile.RawPeer(party, role="gateway", mac=topology.LAN_MAC) as raw, Places(party, ("c2",)) as places:
        traffic.eventually("c2 knows the gateway", lambda: client.status()["gateway"] == raw.id, 3)
        places.open(raw.send, topology.LAN_MAC, party.mac)
        judged(lan_cases(party), raw.send, lambda: drops_of(client))
        places.open(raw.send, topology.LAN_MAC)
        places.clean(sent_of(lan_cases(party)))


# --- a hostile relay

def with_peers(party, daemon, relay):
    """An endpoint at a hostile relay: one player with the hostile MAC, as peer 1001; a gateway as peer 1002."""
    traffic.eventually(f"{daemon.name} is at the hostile relay", daemon.connected, 20)
    relay.announce(1001, "client", hostile.MAC)
    if daemon.kind == "client":
        relay.announce(1002, "gateway")
    traffic.eventually("it knows the peers", lambda: len(daemon.peers()) == 1 + (daemon.kind == "client"), 3)


@plan.case("a hostile relay: the player's own account holds, misdirected frames and all "
           "[FILTER-1 FILTER-2 FILTER-3 FILTER-4 FILTER-5 FILTER-6 FILTER-7 FILTER-8 FILTER-9 CORE-3 CORE-4]", limit=240)
def hostile_relay_client(party):
    stage(party, rules=None, gateway=False)
    client = party.clients["c2"]
    with hostile.RawRelay(party, ["--mtu", "1300"]) as relay:
        with_peers(party, client, relay)
        cases = [one for one in party.catalogue if one[1] != "forged_source" or frames.source(one[2]) == STRANGER]
        from_lan = lan_cases(party) + [
            ("misdirected", "misdirected", frames.build(STRANGER, topology.LAN_MAC, payload=b"not yours")),
            ("its own frame", "reflected", frames.build(frames.BROADCAST, party.mac, payload=b"yours")),
            ("over the MTU", "over_mtu", frames.build(party.mac, topology.LAN_MAC, size=1315))]
        from_player = [("misdirected", "misdirected", frames.build(STRANGER, hostile.MAC, payload=b"not yours"))]
        stray = frames.build(party.mac, STRANGER, payload=b"from nobody")
        with Places(party, ("c2",)) as places:
            places.open(lambda frame: relay.send(1001, frame), hostile.MAC)
            places.open(lambda frame: relay.send(1002, frame), topology.LAN_MAC, party.mac)
            judged(cases + from_player, lambda frame: relay.send(1001, frame), lambda: drops_of(client))
            judged(from_lan, lambda frame: relay.send(1002, frame), lambda: drops_of(client))
            judged([("a peer not announced", "unknown_peer", stray)], lambda frame: relay.send(1999, frame),
                   lambda: drops_of(client))
            places.open(lambda frame: relay.send(1001, frame), hostile.MAC)
            places.open(lambda frame: relay.send(1002, frame), topology.LAN_MAC, party.mac)
            places.clean(sent_of(cases + from_player + from_lan) + [stray])


@plan.case("a hostile relay: the gateway's own account holds [FILTER-1 FILTER-2 FILTER-3 FILTER-4 FILTER-5 FILTER-6 "
           "FILTER-7 FILTER-8 FILTER-9 GW-2 GW-3]", limit=240)
def hostile_relay_gateway(party):
    stage(party, rules=None, player=False)
    with hostile.RawRelay(party, ["--mtu", "1300"]) as relay:
        with_peers(party, party.gateway, relay)
        cases = party.catalogue + [
            ("over the MTU", "over_mtu", frames.build(frames.BROADCAST, hostile.MAC, size=1315))]
        stray = frames.build(frames.BROADCAST, STRANGER, payload=b"from nobody")
        with Places(party, ("wire", "lan")) as places:
            def send(frame):
                relay.send(1001, frame)
            places.open(send, hostile.MAC)
            judged(cases, send, lambda: drops_of(party.gateway))
            judged([("a peer not announced", "unknown_peer", stray)], lambda frame: relay.send(1999, frame),
                   lambda: drops_of(party.gateway))
            places.open(send, hostile.MAC)
            places.clean(sent_of(cases) + [stray])


# --- the player's own machine

@plan.case("a player's machine that answers DHCP: the client stops it and says so [FILTER-5 CORE-3 OBS-3 OBS-4]")
def own_machine(party):
    stage(party)
    client = party.clients["c2"]
    watch, port = hostile.Watch(client), frames.Port(party.c2, "softlan0")
    mine = forbidden.Catalogue(party.mac, hostile.MAC).all
    offer = next(frame for name, _, frame in mine if name == "an offer")
    others = [one for one in mine if one[1] in ("router_advertisement", "multicast_query", "switch_control", "vlan_tag",
                                                "dhcpv6_server", "redirect", "ipv6_fragment", "header_chain")]
    try:
        with Places(party, ("wire", "lan"), ()) as places:
            places.open(port.send, party.mac)
            for number in range(12):
                judged([(f"offer {number}", "dhcp_server", offer)], port.send, lambda: drops_of(client))
            status = client.status()
            print(f"# warnings: {status['warnings']}")
            tap.expect(any("answers DHCP" in text and "12 frames" in text for text in status["warnings"]),
                       f"no sentence about DHCP: {status['warnings']}")
            tap.expect("answers DHCP" in client.ctl_text("status"), "softlanctl status does not show it")
            event = watch.wait("filtered", 3, reason="dhcp_server")
            tap.expect_equal((event.get("src"), event.get("action")), (party.mac, "filtered"), f"the event {event}")
            judged(others, port.send, lambda: drops_of(client))
            places.open(port.send, party.mac)
            places.clean([offer] + sent_of(others))
        tap.expect_equal(relay_drops(party, party.mac), {}, "c2's drops at the relay, which nothing reached")
        tap.expect(not any(one.get("isolated") for one in party.relayd.peers()), json.dumps(party.relayd.peers()))
    finally:
        watch.close()
        port.close()


if __name__ == "__main__":
    plan.main()
