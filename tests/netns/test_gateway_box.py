#!/usr/bin/python3 -B
"""What docs/operating.md says about services on the gateway's own computer: an address on the LAN interface, or on
a macvlan of it, is not reached by players; one on a bridge is, when the gateway works on a veth in that bridge."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

BOX = "10.77.0.2"
PORT = 7010

plan = tap.Plan(lambda: standard.start(clients=("c1",)))


def reached(party):
    return party.c1.ok(["ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-w", "2", BOX])


def seen_from_the_lan(party):
    traffic.eventually("the LAN's host reaches the box", lambda: party.lan.ok(["ping", "-n", "-c", "1", "-W", "1", BOX]),
                       10)


def left_alone(party, what):
    seen_from_the_lan(party)
    traffic.ping(party.c1, topology.LAN_HOST)
    tap.expect(not reached(party), f"a player reaches the box's address on {what}: the docs say it can't")


@plan.case("an address on the LAN interface is not reached by players [GW-4]")
def plain(party):
    party.gw.batch([f"address add {BOX}/24 dev lan0"])
    left_alone(party, "lan0")
    party.gw.batch([f"address del {BOX}/24 dev lan0"])


@plan.case("nor is one on a macvlan (bridge mode) of the LAN interface [GW-4]")
def macvlan(party):
    party.gw.batch(["link add mv0 link lan0 type macvlan mode bridge", "link set mv0 up",
                    f"address add {BOX}/24 dev mv0"])
    left_alone(party, "a macvlan")
    party.gw.batch(["link del mv0"])


@plan.case("on a bridge with a veth for the gateway the box is a host like others, also for TCP [GW-4]")
def bridged(party):
    party.gateway.stop()
    # These are the commands of docs/operating.md, but for the interface's name.
    party.gw.batch(["link add lanbr type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
                    "link add lan-gw type veth peer name lan-gwp", "link set lan0 master lanbr",
                    "link set lan-gwp master lanbr", "link set lanbr up", "link set lan-gw up", "link set lan-gwp up",
                    f"address add {BOX}/24 dev lanbr"])
    party.daemons.remove(party.gateway)
    party.gateway = daemons.make_gateway(party, interface="lan-gw").start()
    seen_from_the_lan(party)
    traffic.eventually("a player reaches the box", lambda: reached(party), 10)
    traffic.ping(party.c1, topology.LAN_HOST)
    traffic.transfer(party.c1, party.gw, BOX, 2, port=PORT)
    traffic.transfer(party.gw, party.c1, party.address["c1"], 2, port=PORT)
    time.sleep(1)
    drops = {name: count for name, count in party.gateway.counters()["drops"].items()
             if count and name in ("reflected", "loop", "misdirected")}
    tap.expect_equal(drops, {}, "drops at the gateway: what goes round")


if __name__ == "__main__":
    plan.main()
