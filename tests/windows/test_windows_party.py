#!/usr/bin/python3 -B
"""softlan-client.exe at the party, under wine with the fake TAP driver: Linux' IP stack behind it is a host on the LAN."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import frames, tap, topology, traffic  # noqa: E402  pylint: disable=C0413
import client  # noqa: E402  pylint: disable=C0413
import wine  # noqa: E402  pylint: disable=C0413
import windows_party  # noqa: E402  pylint: disable=C0413

TAP, MAC = windows_party.TAP, windows_party.MAC
MEGABYTES, MEGABYTES_UP = 200, 40

plan = tap.Plan(lambda: windows_party.start(others=("c2",)), unusable=wine.client_unusable)


@plan.case("it joins by the file that Linux takes, too, with its MAC and the room's MTU [CORE-1 CORE-2 WIN-9]")
def joined(party):
    status = party.client.status()
    tap.expect_equal(status["connected"], True, "connected")
    tap.expect_equal(status["relay_address"], f"{topology.RELAY}:443", "relay_address")
    tap.expect(party.client.in_room(), f"not at the relay: {party.relayd.peers()}")
    tap.expect_equal(party.c1.mtu(TAP), status["mtu"], "MTU of the IP stack")


@plan.case("the driver: media down first, up once joined; MAC and version asked; 16 reads in flight [WIN-1 WIN-3 WIN-4]")
def driver(party):
    events = [(entry["event"], entry["value"]) for entry in party.tap.log()]
    names = [event for event, _ in events]
    first = names.index("media")
    tap.expect_equal(events[first], ("media", 0), f"first of the media in {events}")
    tap.expect_equal([up for _, up in party.tap.media_log()][-1], True, "the last of the media")
    tap.expect({"get-mac", "get-version"} <= set(names), f"not all was asked: {names}")
    tap.expect(names.index("get-version") < names.index("media") + 2, f"the version came late: {names}")
    state = party.tap.state()
    tap.expect(state["reads_peak"] >= 16 and state["reads"] >= 8, f"reads in flight: {state}")
    tap.expect_equal((state["media"], state["lost"]), (1, 0), f"media and lost frames: {state}")
    tap.expect(party.tap.carrier(), "the IP stack has no carrier")


@plan.case("the IP stack leases an address from the LAN's dnsmasq, and status shows it [OBS-3 OBS-4 OBS-5]")
def dhcp(party):
    party.address["c1"] = lease = traffic.lease(party, "c1", TAP)
    party.address["c2"] = traffic.lease(party, "c2")
    traffic.eventually("dnsmasq's lease", lambda: party.leases().get(MAC) == lease, 2)
    traffic.eventually("the address in status", lambda: (
        party.client.status()["tap"]["address"] or "").startswith(lease), 15, step=0.5)
    sentences = " ".join(party.client.status()["sentences"])
    tap.expect(lease in sentences, f"not among the sentences: {lease}: {sentences}")


@plan.case("ping to the LAN, from the LAN, to and from another player [CORE-3]")
def pings(party):
    traffic.ping(party.c1, topology.LAN_HOST)
    traffic.ping(party.lan, party.address["c1"])
    traffic.ping(party.c1, party.address["c2"])
    traffic.ping(party.c2, party.address["c1"])


@plan.case("pings of every size up to the MTU, and fragmented ones [CORE-3 WIN-3]")
def sizes(party):
    for size in (0, 1, 1200, party.c1.mtu(TAP) - 28):
        traffic.ping(party.c1, topology.LAN_HOST, size=size, more=["-M", "do"])
    traffic.ping(party.c1, party.address["c2"], size=4000)


@plan.case("255.255.255.255, subnet broadcast and 239.x multicast in both directions [RELAY-5 OBS-3 OBS-4]")
def broadcasts(party):
    places = {"lan": (party.lan, "eth0"), "c1": (party.c1, TAP), "c2": (party.c2, "softlan0")}
    for role, (space, interface) in places.items():
        others = [place for other, place in places.items() if other != role]
        for target in ("255.255.255.255", topology.LAN_BROADCAST, "239.77.1.2"):
            source = party.address.get(role, topology.LAN_HOST)
            missing = traffic.udp_reaches(space, interface, others, target, source=source)
            tap.expect(not missing, f"{role} -> {target} was not seen at {sorted(missing)}")
    tap.expect_equal(party.client.status()["broadcast"]["flow"], "both", "flow of broadcasts in status")


@plan.case(f"{MEGABYTES} MB by TCP from the LAN, with the right checksum [CORE-3]", limit=300)
def download(party):
    rate = traffic.transfer(party.lan, party.c1, party.address["c1"], MEGABYTES, timeout=280)
    print(f"# {rate:.0f} Mbit/s")


@plan.case(f"{MEGABYTES_UP} MB by TCP to the LAN, with the right checksum [CORE-3]", limit=300)
def upload(party):
    rate = traffic.transfer(party.c1, party.lan, topology.LAN_HOST, MEGABYTES_UP, timeout=280)
    print(f"# {rate:.0f} Mbit/s")


@plan.case("statistics and RTT after all this; nothing was dropped as broken [CORE-5 OBS-3]")
def statistics(party):
    status = party.client.status()
    tap.expect(0 < status["rtt_ms"] < 1000, f"rtt_ms {status['rtt_ms']}")
    least = MEGABYTES_UP * 1_000_000 // 1500
    for name in ("rx_frames", "tx_frames", "rx_datagrams", "tx_datagrams"):
        tap.expect(status["counters"][name] > least, f"{name} is {status['counters'][name]}")
    state = party.tap.state()
    tap.expect(state["read"] > least and state["written"] > least, f"the driver's frames: {state}")


@plan.case("frames longer than Ethernet's are counted and dropped, and the bridge goes on [WIN-3]")
def oversized(party):
    def count():
        return party.client.ctl("stats")["port"]["rx_oversize"]

    before, mtu = count(), party.c1.mtu(TAP)
    party.c1.batch([f"link set {TAP} mtu 5000"])
    port = frames.Port(party.c1, TAP)
    try:
        for size in (1510, 2100, 4900):  # the last one is longer than a read
            port.send(frames.build(topology.LAN_MAC, MAC, payload=b"x" * size))
        traffic.eventually("three more are counted", lambda: count() == before + 3, 5, step=0.3)
    finally:
        port.close()
        party.c1.batch([f"link set {TAP} mtu {mtu}"])
    traffic.ping(party.c1, topology.LAN_HOST)


@plan.case("softlanctl.exe: status, peers and stats as on Linux [OBS-3 OBS-4]")
def control(party):
    text = party.client.ctl_text("status")
    tap.expect("Connected to the relay" in text, f"status: {text}")
    macs = {peer["mac"] for peer in party.client.peers()}
    tap.expect(party.c2.mac("softlan0") in macs, f"peers: {macs}")
    tap.expect("rx_frames" in party.client.counters(), "no counters")


@plan.case("Ctrl-C: it takes its leave, the media go down, exit 0 [CORE-6 WIN-7]")
def leave(party):
    before = party.tap.log()[-1]["number"]
    party.client.stop()
    traffic.eventually("the gateway knows that it has left", lambda: len(party.gateway.peers()) == 1, 2)
    tap.expect_equal([up for _, up in party.tap.media_log(before)][:1], [False], "the media at the end")
    tap.expect(not party.tap.carrier(), "the IP stack still has its carrier")
    tap.expect_equal([entry["event"] for entry in party.tap.log(before)][-1], "closed", "the driver's last")


@plan.case("the same file drives the Linux client [WIN-9]")
def same_file(party):
    party.c1.batch([f"address flush dev {TAP}"])
    linux = client.SameFile(party, party.client)
    linux.start()
    tap.expect_equal(party.c1.mac("softlan0"), MAC, "MAC of softlan0")
    lease = traffic.lease(party, "c1")
    tap.expect_equal(lease, party.address["c1"], "its lease: the same as before")
    traffic.ping(party.c1, topology.LAN_HOST)
    traffic.ping(party.lan, lease)
    linux.stop()


if __name__ == "__main__":
    plan.main()
