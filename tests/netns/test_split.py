#!/usr/bin/python3 -B
"""Frames of the full 1500-byte MTU over paths that do not carry them whole: they go in two parts, and everything that
is wrong with parts is counted and bounded. The filters see whole frames only."""

import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, drops, forbidden, frames, hostile, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

PORT = 27017
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IPV6_MTU_DISCOVER = 10, 2, 23
FULL = 1514
CUTS = (1, 13, 20, 36, 43, 60)  # within the Ethernet, the IP and the UDP header, and behind them
GRACE = 0.5  # more than the 200 ms that a part waits


def setup():
    party = standard.start(clients=("c1",), relay={"listen": "443/udp"})
    party.catalogue = [one for one in forbidden.Catalogue(hostile.MAC, party.c1.mac("softlan0")).all
                       if one[1] in ("dhcp_server", "dhcpv6_server", "router_advertisement", "redirect", "switch_control",
                                     "multicast_query", "ipv6_fragment", "vlan_tag")]
    return party


plan = tap.Plan(setup)


# --- the paths

def narrow(party, mtu, relay=topology.RELAY):
    """Outer paths of this MTU, and everybody anew on them. The internet's ends alone are narrow: what is too long is
    lost without a word, as DF has it."""
    party.inet.batch([f"link set {name} mtu {mtu}" for name in ("relay", "gw", "c1", "c2")])
    text = f"[{relay}]" if ":" in relay else relay
    for daemon in (party.gateway, party.clients["c1"]):
        if daemon.alive():
            daemon.stop()
    for daemon in (party.gateway, party.clients["c1"]):
        daemon.settings["relay"] = f"{text}:443"
        begin = time.monotonic()
        daemon.start()
        print(f"# {daemon.name} ready after {time.monotonic() - begin:.2f} s")
    standard.give_address(party, "c1")


def settle(party, mtu, six):
    """Discovery has found the path."""
    payload = min(mtu - (48 if six else 28), 1452 if six else 1472)
    for daemon in (party.gateway, party.clients["c1"]):
        traffic.eventually(f"{daemon.name} knows that the path carries {payload}",
                           lambda daemon=daemon: daemon.status()["path"]["max_udp_payload"] == payload, 10)
        print(f"# {daemon.name}: {daemon.status()['path']}")


def udp_full(party, sender, sender_if, receiver, receiver_if, source, target):
    """1472 bytes of UDP with DF, ten of them; all arrive whole."""
    six = ":" in target
    family = socket.AF_INET6 if six else socket.AF_INET
    level, option = (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) if six else (socket.IPPROTO_IP, IP_MTU_DISCOVER)
    out, into = sender.socket(family, socket.SOCK_DGRAM, 0), receiver.socket(family, socket.SOCK_DGRAM, 0)
    try:
        into.bind((target, PORT))
        into.settimeout(2)
        out.setsockopt(level, option, IP_PMTUDISC_DO)
        out.bind((source, 0))
        for number in range(10):
            text = struct.pack("!I", number) + os.urandom((1452 if six else 1472) - 4)
            out.sendto(text, (target, PORT))
            tap.expect(into.recv(2048) == text, f"datagram {number} from {sender.role} arrived changed")
    except TimeoutError:
        raise AssertionError(f"datagram {number} of {sender.role} did not arrive at {receiver.role}") from None
    finally:
        out.close()
        into.close()


def cross(party):
    """Full-size packets that may not be cut, both ways, of both families."""
    c1, lan = party.c1, party.lan
    traffic.ping(c1, topology.LAN_HOST, size=1472, more=["-M", "do"])
    traffic.ping(lan, party.address["c1"], size=1472, more=["-M", "do"])
    traffic.ping(c1, topology.LAN_HOST6, size=1452, more=["-M", "do"])
    traffic.ping(lan, standard.ADDRESSES6["c1"], size=1452, more=["-M", "do"])
    udp_full(party, c1, "softlan0", lan, "eth0", party.address["c1"], topology.LAN_HOST)
    udp_full(party, lan, "eth0", c1, "softlan0", topology.LAN_HOST, party.address["c1"])
    udp_full(party, lan, "eth0", c1, "softlan0", topology.LAN_HOST6, standard.ADDRESSES6["c1"])


def path_case(mtu, relay):
    six = ":" in relay

    @plan.case(f"ping -M do -s 1472 and 1472-byte UDP with DF cross both ways at an outer path MTU of {mtu}, "
               f"IPv{6 if six else 4} outside [PROTO-1 PROTO-3 RELAY-3 GW-2 CORE-3]")
    def at_path_mtu(party):
        narrow(party, mtu, relay)
        tap.expect_equal(party.c1.mtu("softlan0"), 1500, "MTU of the TAP")
        for daemon in (party.gateway, party.clients["c1"]):
            tap.expect_equal((daemon.status()["mtu"], daemon.status()["split"]), (1500, True), f"{daemon.name}: mtu, split")
        cross(party)  # at once, whatever the path is known to carry as yet
        settle(party, mtu, six)
        with drops.only(party):
            before = {daemon.name: daemon.counters() for daemon in party.daemons}
            cross(party)
            time.sleep(0.2)
            after = {daemon.name: daemon.counters() for daemon in party.daemons}
        # Requests and answers of 4 x 3 pings, and 30 datagrams; the relay has them on two legs.
        for name in before:
            for counter in ("split_tx", "split_rx"):
                rise = after[name][counter] - before[name][counter]
                tap.expect(rise >= 12 if name != "relay" else rise >= 50, f"{name}: {counter} rose by {rise}")
        tap.expect_equal(after["gateway"]["split_tx"] + after["c1"]["split_tx"] - before["gateway"]["split_tx"]
                         - before["c1"]["split_tx"], after["relay"]["split_rx"] - before["relay"]["split_rx"],
                         "frames that the endpoints split and the relay joined")
        tap.expect_equal(after["gateway"]["split_rx"] + after["c1"]["split_rx"] - before["gateway"]["split_rx"]
                         - before["c1"]["split_rx"], after["relay"]["split_tx"] - before["relay"]["split_tx"],
                         "frames that the relay split and the endpoints joined")


for path in (1500, 1420, 1280):
    path_case(path, topology.RELAY)
for path in (1420, 1280):
    path_case(path, topology.RELAY6)


@plan.case("20 MB over TCP both ways at an outer path MTU of 1280, SHA-256 equal [GW-2 CORE-3]", limit=120)
def transfers(party):
    narrow(party, 1280)
    settle(party, 1280, False)
    for sender, receiver, target in ((party.c1, party.lan, topology.LAN_HOST), (party.lan, party.c1, party.address["c1"])):
        print(f"# from {sender.role}: {traffic.transfer(sender, receiver, target, 20):.0f} Mbit/s")



# --- a peer without the feature

@plan.case("a peer without split keeps the smaller MTU; frames too large for it are skipped and counted [RELAY-7 FILTER-8]")
def without_split(party):
    narrow(party, 1500)
    other = party.clients["c2"] = daemons.make_client(party, "c2", datagram={"split": False}).start()
    standard.give_address(party, "c2")
    tap.expect_equal((party.c2.mtu("softlan0"), other.status()["split"]), (1382, False), "MTU and split of c2")
    peer = next(one for one in party.relayd.peers() if one["mac"] == party.c2.mac("softlan0"))
    tap.expect_equal((peer["mtu"], peer["split"]), (1382, False), "c2 at the relay")
    frame = frames.build(frames.BROADCAST, topology.LAN_MAC, size=FULL)
    ports = standard.ports(party, "lan", "c1", "c2")
    try:
        with drops.only(party, {"relay datagram_budget": 1, f"relay/{peer['id']} datagram_budget": 1}), \
                frames.Recorder({role: ports[role] for role in ("c1", "c2")}, lambda one: one == frame) as recorder:
            ports["lan"].send(frame)
            recorder.wait("c1", 1)
        tap.expect_equal((len(recorder.seen("c1")), len(recorder.seen("c2"))), (1, 0), "copies at c1 and c2")
    finally:
        for port in ports.values():
            port.close()
    traffic.ping(party.c2, party.address["c1"], size=1382 - 28, more=["-M", "do"])
    other.stop()
    party.daemons.remove(party.clients.pop("c2"))


@plan.case("a relay with split off keeps everybody at 1382 [RELAY-3]")
def relay_without_split(party):
    party.relayd.stop()
    party.relayd.settings["datagram"] = {"split": False}
    party.relayd.start()
    try:
        narrow(party, 1500)
        tap.expect_equal((party.c1.mtu("softlan0"), party.clients["c1"].status()["split"]), (1382, False), "MTU and split")
        traffic.ping(party.c1, topology.LAN_HOST, size=1382 - 28, more=["-M", "do"])
    finally:
        party.relayd.stop()
        party.relayd.settings["datagram"] = {"split": True}
        party.relayd.start()
    narrow(party, 1500)
    tap.expect_equal(party.c1.mtu("softlan0"), 1500, "MTU")


# --- hostile parts

def parts(peer, number, frame, cut, swapped=False):
    """A frame's two datagrams."""
    both = [bytes((0x10 | kind, 0)) + struct.pack("!HH", peer, number & 0xFFFF) + part
            for kind, part in ((2, frame[:cut]), (3, frame[cut:]))]
    return both[::-1] if swapped else both


def counted(daemon, reason):
    return daemon.counters()["drops"].get(reason, 0)


def expect_rise(daemon, reason, before, rise, timeout=3):
    try:
        traffic.eventually(f"{reason} at {daemon.name}", lambda: counted(daemon, reason) - before >= rise, timeout)
    except TimeoutError:
        pass
    time.sleep(0.1)
    tap.expect_equal(counted(daemon, reason) - before, rise, f"{reason} at {daemon.name}")


def memory(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


@plan.case("parts lost, repeated, reordered, forged and flooded by a hostile peer are counted and bounded "
           "[PROTO-1 RELAY-6 RELAY-11 FILTER-2]")
def hostile_parts(party):
    relay = party.relayd
    good = frames.build(topology.LAN_MAC, hostile.MAC, payload=b"whole again", size=FULL)
    lan = frames.Port(party.lan, "eth0")
    try:
        with hostile.RawPeer(party, "c2", options=["--split"]) as raw, \
                frames.Recorder({"lan": lan}, lambda one: frames.source(one) == hostile.MAC) as recorder:
            tap.expect_equal(raw.welcome["mtu"], 1500, "MTU of the hostile peer")

            def send(number, frame, cut, which=(0, 1), swapped=False):
                for index in which:
                    raw.datagram(parts(raw.id, number, frame, cut, swapped)[index])

            send(1, good, 1394)
            send(2, good, 200, swapped=True)  # reordered
            recorder.wait("lan", 2)
            tap.expect_equal(recorder.seen("lan"), [good, good], "frames on the LAN")
            before = counted(relay, "split_timeout")
            send(3, good, 1000, (0,))  # the rest is lost
            send(4, good, 1000, (1,))  # the first part is lost
            expect_rise(relay, "split_timeout", before, 2)
            send(5, good, 1000, (0, 0))  # repeated
            send(5, good, 1000, (1, 1))  # completes it; and repeated
            expect_rise(relay, "split_timeout", before, 4)
            recorder.wait("lan", 3)
            before = counted(relay, "malformed"), counted(relay, "forged_source")
            raw.datagram(parts(raw.id + 1, 6, good, 1000)[0])  # another's id
            raw.datagram(parts(raw.id, 6, b"", 0)[0])  # empty
            send(7, good + bytes(100), 1394)  # together above 1518
            expect_rise(relay, "malformed", before[0], 3)
            send(8, frames.build(topology.LAN_MAC, "02:99:99:99:99:99", size=FULL), 1394)
            expect_rise(relay, "forged_source", before[1], 1)
            before = counted(relay, "datagram_budget")
            send(9, good, 1395)  # its first part is above the budget
            expect_rise(relay, "datagram_budget", before, 1)
            time.sleep(GRACE)
            # A flood of first parts.
            before, start = counted(relay, "split_timeout"), memory(relay)
            for number in range(4000):
                send(number, good, 1394, (0,))
                if number % 100 == 0:
                    time.sleep(0.005)
            refused = [one for one in raw.seen("refused") if one]
            time.sleep(GRACE)
            rise, grown = counted(relay, "split_timeout") - before, memory(relay) - start
            print(f"# 4000 first parts: {rise} counted, {len(refused)} refused at the sender, {grown} KiB more at the relay")
            tap.expect(rise > 3000, f"only {rise} of the flood were counted")
            tap.expect(grown < 4096 + 1024, f"{grown} KiB more at the relay")
            tap.expect_equal(relay.ctl("rooms")["rooms"][0]["clients"], 2, "clients in the room")
            send(60000, good, 1394)  # who sends both still gets through
            recorder.wait("lan", 4)
            tap.expect_equal(recorder.seen("lan"), [good] * 4, "frames on the LAN")
    finally:
        lan.close()
    traffic.ping(party.c1, topology.LAN_HOST, size=1472, more=["-M", "do"])


@plan.case("a peer that did not agree on split: its parts are malformed, and it is thrown out [PROTO-2 RELAY-11]")
def parts_without_agreement(party):
    before = counted(party.relayd, "malformed")
    raw = hostile.RawPeer(party, "c2")
    try:
        good = frames.build(topology.LAN_MAC, hostile.MAC, size=1000)
        for number in range(16):
            for datagram in parts(raw.id, number, good, 500):
                raw.datagram(datagram)
        raw.wait("closed", 3)
        tap.expect(raw.message("disconnect", reason="malformed_datagrams"), f"it was told {raw.seen('message')}")
        expect_rise(party.relayd, "malformed", before, 32)
    finally:
        raw.close()


def caught(cases, send_parts, daemon, drops_of):
    """Each forbidden message, cut everywhere, in either order: counted once as what it is."""
    wrong = []
    number = 100
    for name, reason, frame in cases:
        for cut in [cut for cut in CUTS if cut < len(frame)] + [len(frame) - 1]:
            number += 1
            before = drops_of()
            send_parts(number, frame, cut, number % 2 == 0)
            end = time.monotonic() + 2
            while not (rise := {key: count - before.get(key, 0) for key, count in drops_of().items()
                                if count != before.get(key, 0)}) and time.monotonic() < end:
                time.sleep(0.005)
            if rise != {reason: 1}:
                wrong.append(f"{name} cut at {cut}: {rise or 'not counted'} instead of {reason}")
                tap.expect(len(wrong) < 10, "ten, and no more were tried:\n" + "\n".join(wrong))
    tap.expect(not wrong, f"at {daemon}:\n" + "\n".join(wrong))


def some(party):
    """Two of each reason, to cut in many ways."""
    chosen = []
    for case in party.catalogue:
        if sum(one[1] == case[1] for one in chosen) < 2:
            chosen.append(case)
    return chosen


@plan.case("a forbidden message over two parts is caught at the relay [RELAY-9 FILTER-3 FILTER-4 FILTER-5 FILTER-6 FILTER-7]",
           limit=120)
def forbidden_at_the_relay(party):
    lan = frames.Port(party.lan, "eth0")
    try:
        with hostile.RawPeer(party, "c2", options=["--split"]) as raw, \
                frames.Recorder({"lan": lan}, lambda one: frames.source(one) == hostile.MAC) as recorder:
            def send(number, frame, cut, swapped):
                for datagram in parts(raw.id, number, frame, cut, swapped):
                    raw.datagram(datagram)
            caught(some(party), send, "the relay", lambda: {key: count for key, count in next(
                peer["drops"] for peer in party.relayd.peers() if peer["id"] == raw.id).items() if count})
            tap.expect_equal(recorder.seen("lan"), [], "frames of the hostile peer on the LAN")
    finally:
        lan.close()


def at_a_hostile_relay(party, daemon, space, interface):
    """A relay that gives this endpoint a player's forbidden messages in two parts; what is wrong with parts is counted
    here as at the relay."""
    for one in party.daemons:
        if one.alive():
            one.stop()
    with hostile.RawRelay(party, ["--split", "--mtu", "1500"]) as relay:
        daemon.start(wait=False)
        traffic.eventually(f"{daemon.name} is at the hostile relay", daemon.connected, 20)
        relay.announce(1001, "client", hostile.MAC)
        traffic.eventually("it knows the peer", lambda: len(daemon.peers()) == 1, 3)

        def send(number, frame, cut, swapped=False):
            for datagram in parts(1001, number, frame, cut, swapped):
                relay.datagram(datagram)

        port = frames.Port(space, interface)  # a client's TAP is there with the client only
        harmless = frames.build(frames.BROADCAST, hostile.MAC, payload=b"harmless", size=FULL)
        try:
            with frames.Recorder({"there": port}, lambda one: frames.source(one) == hostile.MAC
                                 and frames.ethertype(one) != frames.ETH_OWN) as recorder:
                send(1, harmless, 1394)
                recorder.wait("there", 1)
                caught(some(party), send, daemon.name,
                       lambda: {key: count for key, count in daemon.counters()["drops"].items() if count})
                before = counted(daemon, "split_timeout")
                for number in range(5000, 5100):
                    relay.datagram(parts(1001, number, harmless, 1394)[0])
                expect_rise(daemon, "split_timeout", before, 100)
                send(2, harmless, 1394, swapped=True)
                recorder.wait("there", 2)
                tap.expect_equal(recorder.seen("there"), [harmless] * 2, "what came through")
        finally:
            port.close()
        daemon.stop()


@plan.case("a forbidden message over two parts is caught at the gateway [GW-3 FILTER-3 FILTER-4 FILTER-5 FILTER-6 FILTER-7]",
           limit=120)
def forbidden_at_the_gateway(party):
    at_a_hostile_relay(party, party.gateway, party.lan, "eth0")


@plan.case("a forbidden message over two parts is caught at the client [CORE-3 FILTER-3 FILTER-4 FILTER-5 FILTER-6 FILTER-7]",
           limit=120)
def forbidden_at_the_client(party):
    at_a_hostile_relay(party, party.clients["c1"], party.c1, "softlan0")


if __name__ == "__main__":
    plan.main()
