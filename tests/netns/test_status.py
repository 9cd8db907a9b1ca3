#!/usr/bin/python3 -B
"""What gateway and client say of themselves: to programs, to people, to systemd."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import frames, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

def start():
    party = standard.start(clients=("c1",), dhcp=True)
    party.client = party.clients["c1"]
    return party


plan = tap.Plan(start)


def said(daemon):
    return " ".join(daemon.status()["sentences"])


def warned(daemon):
    return " ".join(daemon.status()["warnings"])


@plan.case("a client without a lease says that it has no address, and what to do [OBS-3 OBS-4]")
def no_address(party):
    status = party.client.status()
    address = status["tap"]["address"]
    tap.expect(address is None or address.startswith("fe80:") or address.startswith("fd77:"), f"address {address}")
    party.c1.batch(["address flush dev softlan0 scope global"])
    traffic.eventually("the warning names the DHCP client", lambda: "DHCP client" in warned(party.client), 3)


@plan.case("a late lease shows: an IPv4 address of the LAN comes before all others [OBS-5 OBS-4]")
def late_lease(party):
    lease = traffic.lease(party, "c1")
    tap.expect_equal(party.client.status()["tap"]["address"], f"{lease}/24", "address in status")
    tap.expect(f"softlan0 has the address {lease}/24." in said(party.client), f"sentences: {said(party.client)}")
    tap.expect("DHCP client" not in warned(party.client), f"warnings: {warned(party.client)}")
    traffic.eventually("systemd's line has the address", lambda: lease in party.client.status_line(), 3)


@plan.case("the snapshot has every part, and the numbers of the tunnel [OBS-3 OBS-2]")
def snapshot(party):
    traffic.ping(party.c1, topology.LAN_HOST)
    status = party.client.status()
    tap.expect_equal(status["connected"], True, "connected")
    tap.expect_equal(status["relay_address"], f"{topology.RELAY}:443", "relay_address")
    tap.expect_equal(status["gateway"], party.gateway.status()["peer_id"], "gateway")
    tap.expect_equal((status["route"]["pin"], status["route"]["interface"]), ("own", "eth0"), "route")
    tap.expect_equal((status["datagram_budget"], status["mtu"]), (1400, 1500), "budget and MTU")
    tap.expect(0 < status["rtt_ms"] < 1000, f"rtt_ms {status['rtt_ms']}")
    tap.expect_equal(status["tap"]["state"], "up", "TAP")
    for name in ("rx_frames", "tx_frames", "rx_datagrams", "tx_datagrams"):
        tap.expect(status["counters"][name] > 0, f"{name} is 0")
    tap.expect("drops" in status["counters"], "no drops")
    text = said(party.client)
    for words in ("Connected to the relay", "ms away.", "The way to the relay is kept: eth0 via 192.168.71.1."):
        tap.expect(words in text, f"not among the sentences: {words}: {text}")
    tap.expect("Connected to the relay" in said(party.gateway), f"gateway: {said(party.gateway)}")


@plan.case("broadcasts that cross one way only are told apart from both, at both ends [OBS-3 OBS-4]")
def broadcasts(party):
    for daemon in (party.client, party.gateway):
        traffic.eventually(f"both ways at {daemon.name}", lambda d=daemon: d.status()["broadcast"]["flow"] == "both", 5)
        tap.expect("Broadcasts cross both ways." in said(daemon), f"{daemon.name}: {said(daemon)}")
    party.plug_lan(False)
    party.client.stop()
    party.client.start()
    traffic.eventually("the client's own go out", lambda: party.client.status()["broadcast"]["out"] > 0, 5)
    status = party.client.status()["broadcast"]
    tap.expect_equal((status["in"], status["flow"]), (0, "out_only"), "at the client, the LAN's cable out")
    tap.expect("one way only: this computer's enter the room" in said(party.client), f"{said(party.client)}")
    party.gateway.stop()
    party.gateway.start()
    port = standard.ports(party, "c1")["c1"]
    port.send(frames.build(frames.BROADCAST, party.c1.mac("softlan0")))
    port.close()
    traffic.eventually("the room's arrive at the gateway", lambda: party.gateway.status()["broadcast"]["in"] > 0, 5)
    tap.expect_equal(party.gateway.status()["broadcast"]["flow"], "in_only", "at the gateway, the LAN's cable out")
    tap.expect("none has come from the LAN yet" in said(party.gateway), f"{said(party.gateway)}")
    party.plug_lan(True)
    party.lan.run(["arping", "-I", "eth0", "-c", "1", "-w", "2", "10.77.0.250"], check=False)
    traffic.eventually("the client hears the LAN", lambda: party.client.status()["broadcast"]["flow"] == "both", 5)


@plan.case("a relay that is away shows in status and in systemd's line, with the next try [OBS-4 OPS-2]")
def relay_away(party):
    party.relayd.stop()
    for daemon in (party.client, party.gateway):
        traffic.eventually(f"{daemon.name} says so", lambda d=daemon: not d.status()["connected"], 40)
        traffic.eventually("the next try", lambda d=daemon: "next try in" in said(d) or "Connecting" in said(d), 5)
        tap.expect(daemon.status_line() and "In room" not in daemon.status_line(), f"line: {daemon.status_line()}")
    party.relayd.start()
    for daemon in (party.client, party.gateway):
        traffic.eventually(f"{daemon.name} is back", daemon.connected, 15)


if __name__ == "__main__":
    plan.main()
