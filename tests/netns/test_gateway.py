#!/usr/bin/python3 -B
"""The gateway on its LAN: what it forwards, what it keeps to itself, what it sends by itself."""

import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, frames, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

CAM_INTERVAL = 2
CAM_GROUP = "03:53:4c:43:41:4d"
QUIET = 0.4

plan = tap.Plan(lambda: standard.start(gateway={"cam_refresh_interval": CAM_INTERVAL}))


def is_cam(frame):
    return frames.destination(frame) == CAM_GROUP


def is_test(frame):
    return frames.ETH_TEST in (frames.ethertype(frame), *struct.unpack_from("!H", frame, 16))


@plan.case("the interface is promiscuous while the gateway runs, and has no address [GW-1]")
def promiscuous(party):
    link = party.gw.ip_json("-details link show dev lan0")[0]
    tap.expect(link.get("promiscuity", 0) >= 1, f"lan0 is not promiscuous: {link}")
    tap.expect_equal(party.gw.addresses("lan0") + party.gw.addresses("lan0", 6), [], "addresses of lan0")


@plan.case("it says at start that the gateway box's own stack is not reached [GW-4]")
def says_so(party):
    words = party.gateway.log()
    tap.expect("interface is open" in words and "another host" in words, f"the log: {party.gateway.tail()}")


@plan.case("unrelated LAN unicast stays on the LAN and is not sent to the relay [GW-4]")
def unrelated(party):
    ports = standard.ports(party, "lan", "c1", "c2")
    try:
        traffic.ping(party.c1, topology.LAN_HOST)
        before = party.gateway.ctl("stats")
        # To a MAC that no switch knows: flooded to every port, the gateway's too.
        sent = [frames.build("00:16:3e:77:00:99", topology.LAN_MAC, payload=bytes([number])) for number in range(100)]
        with frames.Recorder({"c1": ports["c1"], "c2": ports["c2"]}, is_test) as recorder:
            for frame in sent:
                ports["lan"].send(frame)
            time.sleep(QUIET)
        after = party.gateway.ctl("stats")
        tap.expect_equal((recorder.seen("c1"), recorder.seen("c2")), ([], []), "frames that reached clients")
        tx = after["counters"]["tx_frames"] - before["counters"]["tx_frames"]
        tap.expect(tx < 20, f"the gateway sent {tx} frames to the relay")
        kept = after["bridge"]["lan_unrelated"] - before["bridge"]["lan_unrelated"]
        tap.expect(kept >= 100, f"only {kept} of 100 frames were counted as unrelated")
    finally:
        for port in ports.values():
            port.close()


@plan.case("CAM refresh: periodic, small, from each remote MAC, seen on the LAN [GW-5]")
def cam_periodic(party):
    port = frames.Port(party.lan, "eth0")
    try:
        with frames.Recorder({"lan": port}, is_cam) as recorder:
            time.sleep(2 * CAM_INTERVAL + 0.8)
    finally:
        port.close()
    for role in party.clients:
        mac = party.spaces[role].mac("softlan0")
        seen = [frame for frame in recorder.seen("lan") if frames.source(frame) == mac]
        tap.expect(2 <= len(seen) <= 3, f"{len(seen)} refresh frames for {role} in {2 * CAM_INTERVAL + 0.8} s")
        tap.expect(all(len(frame) == 60 for frame in seen), f"lengths: {[len(frame) for frame in seen]}")


@plan.case("the LAN's switch has each remote MAC on the gateway's port [GW-5]")
def cam_table(party):
    table = party.switch.run(["bridge", "fdb", "show", "br", "br0"])
    for role in party.clients:
        mac = party.spaces[role].mac("softlan0")
        tap.expect(any(line.startswith(f"{mac} dev gw ") for line in table.splitlines()),
                   f"{mac} ({role}) is not on port gw: {table}")


@plan.case("CAM refresh at once when a client joins, before any frame of its own [GW-5 GW-6]")
def cam_join(party):
    client = party.clients["c2"]
    client.stop()
    port = frames.Port(party.lan, "eth0")
    mac = client_mac(party, "c2")
    try:
        with frames.Recorder({"lan": port}, lambda frame: frames.source(frame) == mac) as recorder:
            client.start()
            tap.expect(recorder.wait("lan", 1, 0.5), "no frame from the newcomer's MAC within 0.5 s")
    finally:
        port.close()
    tap.expect(is_cam(recorder.seen("lan")[0]), f"first frame: {recorder.seen('lan')[0].hex()}")
    standard.give_address(party, "c2")
    traffic.ping(party.lan, party.address["c2"])


def client_mac(party, role):
    """A client's MAC, also while it is away: from its identity file."""
    with open(party.path(f"{role}-identity.json"), encoding="utf-8") as file:
        return re.search(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", file.read()).group(0)


def longer_wire(party):
    """The gateway's cable takes frames that a common LAN does not have."""
    party.switch.batch(["link set gw mtu 2000"])
    party.gw.batch(["link set lan0 mtu 2000"])


@plan.case("a VLAN-tagged LAN frame crosses with its tag [PROTO-4 GW-2]")
def vlan(party):
    ports = standard.ports(party, "lan", "c1")
    longer_wire(party)
    wire = ports["wire"] = frames.Port(party.switch, "gw")
    mac = party.c1.mac("softlan0")
    longest = party.c1.mtu("softlan0") + 14
    inner = struct.pack("!HH", 0x0042, frames.ETH_TEST)
    sent = [frames.build(frames.BROADCAST, topology.LAN_MAC, 0x8100, inner + b"tagged", size=100),
            frames.build(mac, topology.LAN_MAC, 0x8100, inner + b"full", size=longest),
            frames.build(mac, topology.LAN_MAC, 0x88A8, struct.pack("!HHHH", 7, 0x8100, 8, frames.ETH_TEST), size=90)]
    try:
        with frames.Recorder({"c1": ports["c1"]},
                             lambda frame: frames.ethertype(frame) in (0x8100, 0x88A8)) as recorder:
            for frame in sent:
                ports["lan"].send(frame)
            # A full packet with its tag.
            sent.append(frames.build(mac, topology.LAN_MAC, 0x8100, inner + b"fuller", size=longest + 4))
            ports["lan"].send(sent[-1])
            recorder.wait("c1", len(sent), 2)
            # With two tags it is longer than two parts may be together: counted, not lost in silence.
            before = party.gateway.counters()["drops"]["datagram_budget"]
            wire.send(frames.build(mac, topology.LAN_MAC, 0x88A8, struct.pack("!HHHH", 7, 0x8100, 8, frames.ETH_TEST),
                                   size=longest + 8))
            traffic.eventually("datagram_budget is counted",
                               lambda: party.gateway.counters()["drops"]["datagram_budget"] == before + 1, 2)
        tap.expect_equal(recorder.seen("c1"), sent, "tagged frames at the client")
    finally:
        for port in ports.values():
            port.close()


@plan.case("bad frames on the LAN never stop it: counted, the party goes on [GW-2 FILTER-9]")
def bad_frames(party):
    longer_wire(party)
    port = frames.Port(party.switch, "gw")  # behind the switch, which would drop some of these itself
    try:
        for _ in range(20):
            port.send(frames.mac_bytes(frames.BROADCAST) + frames.mac_bytes(topology.LAN_MAC) + b"\x08\x00")
            port.send(frames.build(frames.BROADCAST, topology.LAN_MAC, 0x0800, b"\x45" + bytes(3), size=18))
            port.send(frames.build(frames.BROADCAST, "00:00:00:00:00:00"))
            port.send(frames.build(frames.BROADCAST, topology.LAN_MAC, 0x8100, b"\0\1", size=16))
            port.send(frames.build(frames.BROADCAST, topology.LAN_MAC, 0x05DC, size=1515))
    finally:
        port.close()
    time.sleep(0.2)
    traffic.ping(party.c1, topology.LAN_HOST)
    drops = party.gateway.counters()["drops"]
    tap.expect(drops.get("invalid_source", 0) >= 20, f"zero source MACs were not counted: {drops}")
    tap.expect(drops.get("jumbo", 0) >= 20, f"frames above the MTU were not counted: {drops}")


@plan.case("the LAN's large TCP segments (TSO) are cut in user space, checksums completed [GW-2]")
def super_frames(party):
    before = party.gateway.ctl("stats")["port"]
    rate = traffic.transfer(party.lan, party.c1, party.address["c1"], 20)
    after = party.gateway.ctl("stats")["port"]
    print(f"# {rate:.0f} Mbit/s, super-frames {after['rx_super'] - before['rx_super']}, segments "
          f"{after['rx_segments'] - before['rx_segments']}, checksums {after['rx_csum'] - before['rx_csum']}")
    tap.expect(after["rx_super"] > before["rx_super"], "no super-frame came: the test shows nothing")
    tap.expect_equal(after["rx_kernel_drops"], before["rx_kernel_drops"], "rx_kernel_drops")


@plan.case("the interface goes away: the gateway ends with 1 and says so [GW-1]")
def interface_gone(party):
    gateway = party.gateway
    gateway.stop()
    party.gw.batch(["link add gone0 type veth peer name gone1", "link set gone0 up", "link set gone1 up"])
    gone = daemons.make_gateway(party, "gone", interface="gone0").start()
    party.gw.batch(["link del gone0"])
    try:
        tap.expect_equal(gone.process.wait(5), 1, "exit code")
        tap.expect("gone0" in gone.log(), f"the log: {gone.tail()}")
        gone.check_reports()
    finally:
        gone.process = None if gone.process.poll() is not None else gone.process
    gateway.start()
    traffic.ping(party.c1, topology.LAN_HOST)


@plan.case("TERM: the others hear the reason at once, promiscuous mode ends [GW-7 RELAY-13]")
def disconnect(party):
    party.gateway.stop()
    link = party.gw.ip_json("-details link show dev lan0")[0]
    tap.expect_equal(link.get("promiscuity", 0), 0, "promiscuity of lan0 afterwards")
    traffic.eventually("c1 knows that the gateway is gone",
                       lambda: "gateway" not in [peer["role"] for peer in party.clients["c1"].peers()], 1)


if __name__ == "__main__":
    plan.main()
