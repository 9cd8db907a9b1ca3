#!/usr/bin/python3 -B
"""The Linux client and its machine: the TAP, the route to the relay, default routes, subnets."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, ns, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

REMOVED_WITHIN = 0.1  # seconds


def setup():
    party = standard.start(dhcp=True)
    party.client = party.clients["c1"]
    return party


plan = tap.Plan(setup)


def routes(space, words):
    return space.ip_json(f"route show {words}")


def relay_route(space):
    """The IPv4 host routes to the relay."""
    return [route for route in routes(space, "table main") if route["dst"] == topology.RELAY]


def watch_default(party, role, interface, add, stays=False):
    """Runs add(), which starts a program, and returns how long a default route on the interface
    was there; None: it was gone before it could be seen. Ends the program, unless it `stays`."""
    def removed():
        return party.clients[role].status()["route"]["defaults_removed"]
    before = removed()
    seen = gone = None
    process = add()
    end = time.monotonic() + 6
    while time.monotonic() < end:
        there = party.spaces[role].default_routes(interface) > 0
        now = time.monotonic()
        if there and seen is None:
            seen = now
        if not there and seen is not None:
            gone = now
            break
        if seen is None and process is not None and process.poll() is not None:
            break
        time.sleep(0.001)
    if process is not None and not stays:
        party.end(process)
    traffic.eventually("the client counts a default route that it removed", lambda: removed() > before, 1)
    if seen is None:
        return None
    tap.expect(gone, "the default route is still there after seconds")
    return gone - seen


@plan.case("TAP: persistent MAC from the identity file, room's MTU, up [LIN-1 CORE-2]")
def tap_device(party):
    link = party.c1.ip_json("link show dev softlan0")[0]
    tap.expect("UP" in link["flags"], f"flags {link['flags']}")
    with open(party.path("c1-identity.json"), encoding="utf-8") as file:
        tap.expect(link["address"] in file.read(), "the TAP's MAC is not the identity's")
    tap.expect_equal(link["mtu"], party.client.status()["mtu"], "MTU")
    mode = os.stat(party.path("c1-identity.json")).st_mode & 0o777
    tap.expect_equal(mode, 0o600, "the identity file's mode")


@plan.case("the same MAC after a restart; the TAP disappears in between [CORE-2 LIN-1]")
def same_mac(party):
    before = party.c1.mac("softlan0")
    party.client.stop()
    tap.expect("softlan0" not in [link["ifname"] for link in party.c1.ip_json("link show")], "the TAP is left over")
    party.client.start()
    tap.expect_equal(party.c1.mac("softlan0"), before, "MAC after a restart")


@plan.case("the relay's host route is pinned to the way out, and removed on exit [LIN-4]")
def pinned(party):
    found = relay_route(party.c1)
    tap.expect_equal([(route.get("gateway"), route["dev"]) for route in found], [("192.168.71.1", "eth0")],
                     "host routes to the relay")
    party.client.stop()
    tap.expect_equal(relay_route(party.c1), [], "host routes after the end")
    party.client.start()


@plan.case("a host route that is there already is used and left alone on exit [LIN-4]")
def existing(party):
    party.client.stop()
    party.c1.batch([f"route add {topology.RELAY}/32 via 192.168.71.1 dev eth0"])
    before = relay_route(party.c1)
    party.client.start()
    tap.expect_equal(relay_route(party.c1), before, "host routes while it runs")
    party.client.stop()
    tap.expect_equal(relay_route(party.c1), before, "host routes after the end")
    party.c1.batch([f"route del {topology.RELAY}/32"])
    party.client.start()


@plan.case("an IPv6 relay address: its host route is pinned and removed [LIN-4 NET-1]")
def pinned6(party):
    party.client.stop()
    relay = daemons.make_relay(party, "relay6", listen=f"[{topology.RELAY6}]:443",
                               dev_certificate_out=party.path("relay6.der"),
                               state_directory=party.path("relay6-state")).start()
    client = daemons.make_client(party, "c1", "six", tap="six0", relay=f"[{topology.RELAY6}]:443",
                                 relay_ca=party.path("relay6.der"))
    try:
        client.start()
        found = [route for route in party.c1.ip_json("-6 route show") if route["dst"] == topology.RELAY6]
        tap.expect_equal([(route.get("gateway"), route["dev"]) for route in found], [("2001:db8:71::1", "eth0")],
                         "IPv6 host routes to the relay")
        client.stop()
        found = [route for route in party.c1.ip_json("-6 route show") if route["dst"] == topology.RELAY6]
        tap.expect_equal(found, [], "IPv6 host routes after the end")
    finally:
        for daemon in (client, relay):
            if daemon.alive():
                daemon.stop()
            party.daemons.remove(daemon)
        party.client.start()


@plan.case("accept_ra_defrtr is 0 on the TAP: a router advertisement gives an address, no default route [LIN-4]")
def router_advertisement(party):
    tap.expect_equal(party.c1.sysctl("ipv6/conf/softlan0/accept_ra_defrtr"), "0", "accept_ra_defrtr")
    traffic.eventually("an address of fd77::/64", lambda: [
        one for one in party.c1.addresses("softlan0", 6) if one.startswith("fd77:")], 15)
    through = [route for route in party.c1.ip_json("-6 route show default") if route["dev"] == "softlan0"]
    tap.expect_equal(through, [], "IPv6 default routes on the TAP")
    traffic.ping(party.c1, topology.RELAY6)


@plan.case("a default route put on the TAP by ip is removed within 100 ms [LIN-4]")
def default_by_ip(party):
    traffic.lease(party, "c1")
    for words in (f"route add default via {topology.LAN_HOST} dev softlan0 metric 50",
                  "route add default dev softlan0 metric 5"):
        took = watch_default(party, "c1", "softlan0", lambda words=words: party.spawn("c1", ["ip", *words.split()]))
        print(f"# it was there for {took * 1000 if took else 0:.1f} ms")
        tap.expect(took is None or took < REMOVED_WITHIN, f"it was there for {took} s")
        tap.expect_equal(party.c1.default_routes("softlan0"), 0, "default routes on the TAP")


@plan.case("the two halves 0.0.0.0/1 and 128.0.0.0/1 on the TAP are removed as well [LIN-4]")
def halves(party):
    party.c1.batch(["route add 0.0.0.0/1 dev softlan0", "route add 128.0.0.0/1 dev softlan0"])

    def left():
        return [route["dst"] for route in routes(party.c1, "dev softlan0") if route["dst"].endswith("/1")]
    traffic.eventually("both are removed", lambda: not left(), 0.5, step=0.01)


@plan.case("an IPv6 default route put on the TAP is removed [LIN-4]")
def default6(party):
    party.c1.batch(["route add default via fe80::1 dev softlan0 metric 5"])
    traffic.eventually("it is removed", lambda: not [
        route for route in party.c1.ip_json("-6 route show default") if route["dev"] == "softlan0"], 0.5, step=0.01)


@plan.case("udhcpc and dhclient with a default route: removed within 100 ms, the internet stays reachable [LIN-4]")
def default_by_dhcp(party):
    for tool in ("udhcpc", "dhclient"):
        party.c1.batch(["address flush dev softlan0 scope global"])
        env = dict(os.environ, PARTY_DEFAULT_ROUTE="1")
        script = party.path("dhcp-script")
        argv = {"udhcpc": ["udhcpc", "-i", "softlan0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", script],
                "dhclient": ["dhclient", "-d", "-1", "-4", "-sf", script, "-lf", party.path("d.leases"), "-pf",
                             party.path("d.pid"), "-e", "PARTY_DEFAULT_ROUTE=1", "softlan0"]}[tool]
        took = watch_default(party, "c1", "softlan0",
                             lambda argv=argv, env=env: party.spawn("c1", argv, env=env, log="dhcp.log"))
        print(f"# {tool}: it was there for {took * 1000 if took else 0:.1f} ms")
        tap.expect(took is None or took < REMOVED_WITHIN, f"{tool}: it was there for {took} s")
        tap.expect([one for one in party.c1.addresses("softlan0") if one.startswith("10.77.")],
                   f"{tool} got no address")
        traffic.ping(party.c1, topology.LAN_HOST)
        way = party.c1.ip_json("route get 198.51.100.2")
        tap.expect_equal(way[0]["dev"], "eth0", "the way to the internet")
        traffic.ping(party.c1, "198.51.100.2")


@plan.case("systemd-networkd with a default route: removed within 100 ms, the address stays [LIN-4]")
def default_by_networkd(party):
    program = next((path for path in ("/usr/lib/systemd/systemd-networkd", "/lib/systemd/systemd-networkd")
                    if os.path.exists(path)), None)
    if program is None:
        raise tap.Skip("there is no systemd-networkd")
    party.c1.batch(["address flush dev softlan0 scope global"])
    started = []

    def start():
        with open(party.path("networkd.log"), "wb") as log:
            started.append(party.c1.popen([program], prepare=lambda: ns.networkd_files("softlan0"), stdout=log,
                                          stderr=log, env=dict(os.environ, SYSTEMD_LOG_TARGET="console")))
        return started[0]
    try:
        took = watch_default(party, "c1", "softlan0", start, stays=True)
        print(f"# it was there for {took * 1000 if took else 0:.1f} ms")
        tap.expect(took is None or took < REMOVED_WITHIN, f"it was there for {took} s")
        with open(party.path("networkd.log"), encoding="utf-8", errors="replace") as log:
            said = log.read()
        tap.expect("gateway 10.77.0.1" in said, f"networkd was given no default route: {said}")
        tap.expect_equal(party.c1.default_routes("softlan0"), 0, "default routes on the TAP")
        traffic.ping(party.c1, topology.LAN_HOST)
    finally:
        for process in started:
            process.terminate()
            process.wait(10)
    traffic.lease(party, "c1")  # networkd takes its address along


@plan.case("the way out changes: the host route follows [LIN-4]")
def way_changes(party):
    party.inet.batch(["address add 192.168.71.254/24 dev c1"])
    party.c1.batch(["route replace default via 192.168.71.254"])
    try:
        traffic.eventually("the pin follows", lambda: [
            route.get("gateway") for route in relay_route(party.c1)] == ["192.168.71.254"], 8)
        tap.expect(party.client.connected(), "the client lost its connection")
    finally:
        party.c1.batch(["route replace default via 192.168.71.1"])
    traffic.ping(party.c1, topology.LAN_HOST)


@plan.case("a clash between the party's subnet and one at home is said in status and log [LIN-3]")
def clash(party):
    party.c2.batch(["link add home1 type veth peer name home2", "link set home1 up",
                    "address add 10.77.0.200/16 dev home1"])
    traffic.lease(party, "c2")

    def said():
        text = str(party.clients["c2"].status())
        return "10.77." in text and "home1" in text
    traffic.eventually("the status names the network and the interface", said, 3)
    tap.expect("home1" in party.clients["c2"].log(), f"the log does not name home1: {party.clients['c2'].tail()}")
    party.c2.batch(["link del home1"])
    traffic.eventually("the clash is over", lambda: "home1" not in str(party.clients["c2"].status()), 3)


@plan.case("tap.address and tap.routes are set, idempotently, and IPv6 routes work [LIN-1]")
def configured(party):
    client = party.clients["c2"]
    client.stop()
    fixed = daemons.make_client(party, "c2", "fixed", tap="fix0")
    fixed.settings["tap"] = {"name": "fix0", "address": "10.77.0.77/24", "routes": ["10.78.0.0/16", "fd78::/48"]}
    try:
        fixed.start()
        tap.expect_equal(party.c2.addresses("fix0"), ["10.77.0.77"], "addresses of fix0")
        tap.expect([route for route in routes(party.c2, "dev fix0") if route["dst"] == "10.78.0.0/16"], "no IPv4 route")
        tap.expect([route for route in party.c2.ip_json("-6 route show dev fix0") if route["dst"] == "fd78::/48"],
                   "no IPv6 route")
        traffic.ping(party.c2, topology.LAN_HOST)
    finally:
        if fixed.alive():
            fixed.stop()
        party.daemons.remove(fixed)
        client.start()


@plan.case("two clients on one machine: each its own TAP, MAC and address [LIN-1]")
def two(party):
    second = daemons.make_client(party, "c1", "second", tap="second0").start()
    try:
        tap.expect(party.c1.mac("second0") != party.c1.mac("softlan0"), "both TAPs have one MAC")
        tap.expect_equal(len(party.relayd.peers()), 4, "peers at the relay")
        time.sleep(1)
        with open(party.path("monitor.txt"), "wb") as text:
            process = party.c1.popen(["ip", "-o", "monitor", "route"], stdout=text)
        time.sleep(4)
        process.kill()
        process.wait()
        with open(party.path("monitor.txt"), encoding="utf-8") as text:
            events = [line for line in text if topology.RELAY in line]
        tap.expect(len(events) < 4, f"the two fight about the relay's route: {len(events)} events, {events[:4]}")
    finally:
        second.stop()
        party.daemons.remove(second)
    traffic.eventually("the first client has its host route back", lambda: relay_route(party.c1), 6)
    traffic.ping(party.c1, topology.LAN_HOST)


@plan.case("killed with -9, started again: it comes up over what was left [LIN-4 LIN-1]")
def killed(party):
    party.client.kill()
    party.client.start(timeout=15)
    tap.expect_equal([(route.get("gateway"), route["dev"]) for route in relay_route(party.c1)],
                     [("192.168.71.1", "eth0")], "host routes to the relay")
    traffic.lease(party, "c1")
    traffic.ping(party.c1, topology.LAN_HOST)


if __name__ == "__main__":
    plan.main()
