#!/usr/bin/python3 -B
"""softlan-client.exe and the tables of its machine, seen and changed through a double of iphlpapi.dll: the order of its
changes, what they are, and that all is as before after every kind of end and every failure."""

import contextlib
import os
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, tap, topology, traffic  # noqa: E402  pylint: disable=C0413
import tables  # noqa: E402  pylint: disable=C0413
import wine  # noqa: E402  pylint: disable=C0413
import windows_party  # noqa: E402  pylint: disable=C0413

TAP = windows_party.TAP
GATEWAY = "192.168.71.1"
PIN = f"{topology.RELAY}/32 {GATEWAY}"
STATIC = {"tap": {"address": "10.77.0.50/24", "routes": ["10.78.0.0/16", "fd78::/64"]}}
SO_TIMESTAMP = 29


def build():
    party = windows_party.start(joined=False)
    party.c1.batch([f"link set {TAP} mtu 1400"])  # not the room's
    party.c1.sysctl(f"ipv6/conf/{TAP}/accept_ra", 0)  # what the LAN's router says is not the client's change
    party.index = {one["ifname"]: one["ifindex"] for one in party.c1.ip_json("link show")}
    party.before = snapshot(party)
    return party


def end(party):
    if party.client.alive():
        party.client.stop()
    tap.expect_equal(snapshot(party), party.before, "the tables at the very end")
    party.windows.close()


plan = tap.Plan(build, ("the tables are as they were before the first start", end), wine.client_unusable)


def snapshot(party):
    """All that the client may change: routes, addresses, the TAP's settings."""
    routes = [sorted((one["dst"], one.get("gateway", ""), one["dev"], one.get("metric", 0))
                     for one in party.c1.ip_json(f"-{version} route show table main") if one["dst"] != "ff00::/8")
              for version in (4, 6)]
    addresses = sorted(entry["local"] for one in party.c1.ip_json(f"address show dev {TAP}")
                       for entry in one.get("addr_info", []) if entry.get("scope") != "link")
    for version in (4, 6):
        party.netd.change_settings(party.index[TAP], version)  # makes them known
    settings = {version: party.netd.settings()[party.index[TAP], version] for version in (4, 6)}
    # Linux' own routes of the TAP come and go with its carrier.
    routes = [[one for one in some if one[2] != TAP or not one[0].startswith("fe80")] for some in routes]
    return {"routes": routes, "addresses": addresses, "settings": settings, "mtu": party.c1.mtu(TAP)}


def expect_as_before(party, when):
    now = snapshot(party)
    for key, value in party.before.items():
        tap.expect_equal(now[key], value, f"{key} {when}")
    tap.expect_equal(undo_files(party), [], f"undo files {when}")


def undo_files(party):
    found = []
    for folder, _, names in os.walk(party.windows.file("C:\\ProgramData\\softlan")):
        found += [os.path.join(folder, name) for name in names if ".undo" in name]
    return sorted(found)


@contextlib.contextmanager
def started(party, wait=True, fault=None, **settings):
    """The client with other settings for one case, and a call that fails from the start on (Netd.fail); ends it if the
    case has not."""
    kept = dict(party.client.settings)
    party.client.settings.update(settings)
    party.netd.clear()
    if fault:
        party.netd.fail(*fault)
    party.log_start = len(party.client.log())
    try:
        yield party.client.start(wait)
    finally:
        if party.client.alive():
            party.client.kill()
        party.client.process = None
        party.client.settings = kept


def said(party):
    """The log of this run."""
    return party.client.log()[party.log_start:]


def restart_clean(party):
    """After a case that killed the client: the next start cleans up."""
    with started(party):
        party.client.stop()
    expect_as_before(party, "after the next start and end")


def first_datagram(sock):
    """When the first datagram to the relay left; the socket takes all packets of eth0."""
    while True:
        data, control, _, _ = sock.recvmsg(2048, 256)
        if data[12:14] == b"\x08\x00" and data[23] == 17 and data[30:34] == socket.inet_aton(topology.RELAY):
            seconds, micros = struct.unpack("qq", control[0][2][:16])
            return seconds + micros / 1e6


@plan.case("the relay's route is pinned and verified before the first datagram, the TAP's settings are made before its "
           "media is up, and the way is looked at again after [WIN-5 WIN-7]")
def order(party):
    with party.c1.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.bind(("eth0", 3))
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.settimeout(10)
    with sock, started(party):
        left = first_datagram(sock)
        traffic.eventually("media up", lambda: party.tap.media_log()[-1][1])
        up = [when for when, on in party.tap.media_log() if on][0]
        log = party.netd.log()
        pins = [one for one in log if one["call"] == "CreateIpForwardEntry2"]
        tap.expect_equal([" ".join(one["words"][:2]) for one in pins], [PIN], "routes made")
        tap.expect(pins[0]["time"] < left, "the pin came after the first datagram")
        looks = [one["time"] for one in log if one["call"] == "GetBestRoute2" and one["code"] == 0]
        tap.expect(looks[0] < pins[0]["time"], "the way was not looked up before it was pinned")
        tap.expect(any(pins[0]["time"] < when < left for when in looks), "the pin was not verified before hello")
        tap.expect(any(when > up for when in looks), "the way was not looked at after the TAP came up")
        sets = [one for one in log if one["call"] == "SetIpInterfaceEntry"]
        tap.expect(len(sets) == 6, f"settings made: {sets}")
        tap.expect(all(left < one["time"] < up for one in sets), "settings were not made between joining and media up")
        route = party.client.status()["route"]
        tap.expect_equal((route["pin"], route["relay"], route["gateway"]), ("own", topology.RELAY, GATEWAY), "route")
        tap.expect(route["interface"].startswith("eth0"), f"interface {route['interface']}")
        seconds = time.time()
        traffic.eventually("the way is looked at every 5 s", lambda: any(
            one["call"] == "GetBestRoute2" and one["time"] > seconds for one in party.netd.log()), 7)
        party.client.stop()
    expect_as_before(party, "after Ctrl-C")


@plan.case("settings of the TAP: MTU of the room, metric, no default routes, both families; Ctrl-C undoes all in reverse "
           "order; the adapter's index comes from its GUID, status has its addresses [WIN-6 WIN-7 WIN-8 WIN-10]")
def settings_and_end(party):
    with started(party, tap={**STATIC["tap"], "metric": 4000}):
        mtu = party.client.status()["mtu"]
        index = party.index[TAP]
        tap.expect_equal(party.client.status()["tap"]["ifindex"], index, "the adapter's index")
        for version in (4, 6):
            tap.expect_equal(party.netd.settings()[index, version],
                             {"metric": 4000, "automatic": 0, "mtu": mtu, "disabled": 1}, f"IPv{version} settings")
        tap.expect_equal(party.c1.mtu(TAP), mtu, "MTU of the IP stack")
        traffic.eventually("the static address in status", lambda: (
            party.client.status()["tap"]["address"] or "").startswith("10.77.0.50"), 10, step=0.5)
        traffic.ping(party.c1, topology.LAN_HOST)
        made = party.netd.changes()
        eth = party.index["eth0"]
        tap.expect_equal(made[0], f"CreateIpForwardEntry2 {PIN} {eth} 0", "first change")
        tap.expect_equal(made[-3:], [f"CreateUnicastIpAddressEntry 10.77.0.50/24 {index}",
                                     f"CreateIpForwardEntry2 10.78.0.0/16 0.0.0.0 {index} 0",
                                     f"CreateIpForwardEntry2 fd78::/64 :: {index} 0"], "last changes")
        party.netd.clear()
        party.client.stop()
        undone = party.netd.changes()
        opposite = {"CreateIpForwardEntry2": "DeleteIpForwardEntry2",
                    "CreateUnicastIpAddressEntry": "DeleteUnicastIpAddressEntry",
                    "SetIpInterfaceEntry": "SetIpInterfaceEntry"}
        tap.expect_equal([one.split()[0] for one in undone], [opposite[one.split()[0]] for one in reversed(made)],
                         "kinds of the undoing")
        tap.expect_equal([one.split()[1].split("/")[0] for one in undone],
                         [one.split()[1].split("/")[0] for one in reversed(made)], "objects of the undoing")
    expect_as_before(party, "after Ctrl-C")


@plan.case("a host route, an address and a route that are there already are used and left alone [WIN-6 WIN-10]")
def existing(party):
    party.c1.batch([f"route add {topology.RELAY}/32 via {GATEWAY} dev eth0 metric 7",
                    f"address add 10.77.0.50/24 broadcast + dev {TAP}"])
    before = party.before
    party.before = snapshot(party)
    try:
        with started(party, **STATIC):
            tap.expect_equal(party.client.status()["route"]["pin"], "existing", "pin")
            made = " ".join(party.netd.changes())
            tap.expect(topology.RELAY not in made and "CreateUnicast" not in made, f"made: {made}")
            party.client.stop()
        expect_as_before(party, "after the end")
    finally:
        party.c1.batch([f"route del {topology.RELAY}/32", f"address del 10.77.0.50/24 dev {TAP}"])
        party.before = before
    expect_as_before(party, "without them")


@plan.case("the service's stop undoes everything as well [WIN-6 WIN-7 WIN-10]")
def service_stop(party):
    client = party.client
    kept = dict(client.settings)
    client.settings.update(STATIC)
    client.write_config()
    client.settings = kept
    party.netd.clear()
    party.windows.run([client.path, "--service", "install", "-c", client.config])
    try:
        party.windows.run([client.path, "--service", "start"])
        traffic.eventually("the service is in the room", client.in_room, 20)
        traffic.eventually("all is set", lambda: "fd78::/64" in " ".join(party.netd.changes()), 10)
        tap.expect_equal(len(undo_files(party)), 2, "undo files while it runs")
        party.windows.run([client.path, "--service", "stop"])
        expect_as_before(party, "after the service's stop")
    finally:
        party.windows.run([client.path, "--service", "stop"], check=False)
        party.windows.run([client.path, "--service", "remove"])


@plan.case("after kill -9 the next start undoes everything first [WIN-6 WIN-7 WIN-10]")
def killed(party):
    with started(party, **STATIC):
        party.client.kill()
    tap.expect_equal(len(undo_files(party)), 2, "undo files after kill -9")
    tap.expect(snapshot(party) != party.before, "nothing was left behind")
    with started(party):
        log = party.netd.log()
        pinned = next(i for i, one in enumerate(log) if one["call"] == "CreateIpForwardEntry2")
        early = [one["call"] for one in log[:pinned] if one["call"] in tables.CHANGES]
        tap.expect(early.count("DeleteIpForwardEntry2") == 3 and "DeleteUnicastIpAddressEntry" in early,
                   f"undone before the new pin: {early}")
        tap.expect_equal(said(party).count("an earlier run could not clean up"), 2, "lines about it")
        party.client.stop()
    expect_as_before(party, "after the next start and end")


@plan.case("what a run with another adapter has left is undone, too [WIN-6]")
def another_adapter(party):
    with started(party):
        party.client.kill()
    left = undo_files(party)
    tap.expect(all(os.stat(path).st_mode & 0o007 == 0 for path in left), "others may read the undo files")
    for path in left:
        folder, name = os.path.split(path)
        os.rename(path, os.path.join(folder, name.split("-")[0] + "-5.undo"))
    with started(party):
        # Its settings are not this adapter's to undo.
        tap.expect_equal(said(party).count("is no list of what is to be undone"), 1, "files set aside")
        tap.expect_equal(said(party).count("1 of its 1 changes undone now"), 1, "lines about the route")
        tap.expect_equal(party.client.status()["route"]["pin"], "own", "pin")
        party.client.stop()
    for path in undo_files(party):
        os.unlink(path)
    index = party.index[TAP]
    for version in (4, 6):
        party.netd.change_settings(index, version, **party.before["settings"][version])
    party.c1.batch([f"link set {TAP} mtu {party.before['mtu']}"])
    expect_as_before(party, "after the end")


@plan.case("a file that is no list of undoings is set aside, with a sentence [WIN-6]")
def hostile_file(party):
    with started(party):
        paths = undo_files(party)
        party.client.stop()
    for path in paths:
        with open(path, "w", encoding="ascii") as file:
            file.write('{"softlan_undo":1}\n{"kind":"route","dst":"0.0.0.0/0","via":"192.168.71.1/32","luid":1,"metric":0}\n')
    with started(party):
        tap.expect_equal(said(party).count("is no list of what is to be undone"), 2, "lines about it")
        party.client.stop()
    for path in paths:
        os.unlink(path + ".bad")
    expect_as_before(party, "after the end")


@plan.case("a pin that somebody deletes comes back at once; without notifications within 5 s [WIN-5]")
def pin_deleted(party):
    for notify, seconds in ((True, 2), (False, 7)):
        party.netd.ask(notify=notify)
        try:
            with started(party):
                party.c1.batch([f"route del {topology.RELAY}/32"])
                start = time.monotonic()
                traffic.eventually("the pin is back", lambda: party.c1.ip_json(f"route show {topology.RELAY}"), seconds)
                print(f"# notifications {notify}: back after {time.monotonic() - start:.2f} s")
                traffic.eventually("it is said", lambda: "it is back" in said(party), 3)
                tap.expect(party.client.connected(), "not connected any more")
                party.client.stop()
        finally:
            party.netd.ask(notify=True)
        expect_as_before(party, "after the end")


@plan.case("another way to the relay ends bridging, and both ways are named; it is back once the way is [WIN-5]")
def way_taken(party):
    eth, index = party.index["eth0"], party.index[TAP]
    with started(party):
        party.netd.change_settings(eth, 4, metric=9999)
        party.c1.batch([f"route add {topology.RELAY}/32 dev {TAP} metric 1"])
        traffic.eventually("bridging ends", lambda: "bridging ends" in said(party), 7)
        line = next(line for line in said(party).splitlines() if "bridging ends" in line)
        tap.expect(f"pinned is {topology.RELAY}/32 by eth0 (interface {eth}) via {GATEWAY}" in line, f"pinned: {line}")
        tap.expect(f"the machine takes {topology.RELAY}/32 by {TAP} (interface {index}) metric" in line, f"found: {line}")
        tap.expect(not party.client.connected(), "connected all the same")
        party.c1.batch([f"route del {topology.RELAY}/32 dev {TAP}"])
        party.client.wait_ready(20)
        party.client.stop()
    party.netd.change_settings(eth, 4, metric=25)
    expect_as_before(party, "after it")


@plan.case("settings that revert are set again; halves of a default route on the TAP are removed [WIN-7 LIN-4]")
def reverts(party):
    with started(party):
        index = party.index[TAP]
        party.netd.change_settings(index, 4, metric=25, automatic=1)
        party.netd.change_settings(index, 6, disabled=0)
        traffic.eventually("the metric is set again", lambda: party.netd.settings()[index, 4]["metric"] == 9000, 7)
        traffic.eventually("default routes are off again", lambda: party.netd.settings()[index, 6]["disabled"] == 1, 7)
        party.c1.batch([f"route add 0.0.0.0/1 dev {TAP}", f"route add 128.0.0.0/1 dev {TAP}"])
        traffic.eventually("both halves are gone", lambda: not [
            one for one in party.c1.ip_json(f"route show dev {TAP}") if one["dst"].endswith("/1")], 7)
        tap.expect_equal(party.client.status()["route"]["defaults_removed"], 2, "defaults_removed")
        party.client.stop()
    expect_as_before(party, "after the end")


@plan.case("a relay with an IPv6 address: its host route is pinned and removed [WIN-5 NET-1]")
def pinned6(party):
    relay = daemons.make_relay(party, "relay6", listen=f"[{topology.RELAY6}]:443",
                               dev_certificate_out=party.path("relay6.der"),
                               state_directory=party.path("relay6-state")).start()
    try:
        with started(party, relay=f"[{topology.RELAY6}]:443", relay_ca=party.path("relay6.der")):
            found = [one for one in party.c1.ip_json("-6 route show") if one["dst"] == topology.RELAY6]
            tap.expect_equal([(one.get("gateway"), one["dev"]) for one in found], [("2001:db8:71::1", "eth0")],
                             "host routes to the relay")
            party.client.stop()
    finally:
        relay.stop()
        party.daemons.remove(relay)
    expect_as_before(party, "after the end")


@plan.case("the party's network is also the one at home: said clearly, and the relay is kept [LIN-3 WIN-5]")
def clash(party):
    with started(party, tap={"address": "192.168.71.77/24"}):
        traffic.eventually("the clash is told", lambda: any(
            "192.168.71.0/24" in one and f"overlaps the local network of eth0 (interface {party.index['eth0']})" in one
            for one in party.client.status()["warnings"]), 10, step=0.5)
        tap.expect(party.client.connected(), "not connected")
        party.client.stop()
    expect_as_before(party, "after the end")


@plan.case("without GetBestRoute2 the table of routes says the way [WIN-5]")
def by_table(party):
    party.netd.ask(best=False)
    try:
        with started(party):
            tap.expect_equal(party.client.status()["route"]["gateway"], GATEWAY, "gateway")
            party.client.stop()
    finally:
        party.netd.ask(best=True)
    expect_as_before(party, "after the end")


def run_with_fault(party, call, code, after, times, joins=False):
    """Starts the client with a call that fails so many times from one point on; returns what it said until it was in the
    room, had ended, or had said the name of the call, whether it is in the room, and the warnings of its status."""
    with started(party, wait=False, fault=(call, code, after, times), **STATIC):
        end_by = time.monotonic() + 25
        while time.monotonic() < end_by and party.client.alive() and not after_join(party):
            if call in said(party) and not joins:
                break
            time.sleep(0.05)
        time.sleep(0.3)
        joined = party.client.alive() and after_join(party)
        warnings = party.client.status()["warnings"] if joined else []
        party.netd.ask(clear=True)
        if party.client.alive():
            with contextlib.suppress(ProcessLookupError):
                party.client.process.send_signal(signal.SIGINT)
            party.client.process.wait(15)
    return said(party), joined, warnings


def after_join(party):
    return "is up, MTU" in said(party)


@plan.case("each call that changes something fails in turn, access denied and not found: named with interface and reason, "
           "all undone; IPv6's settings only warn [WIN-5 WIN-7 WIN-10]", limit=600)
def faults(party):
    with started(party, **STATIC):
        # Those that changed something: a look that comes before wine lists the new address adds it again, and is told
        # that it exists. It may not come the next time.
        calls = [(one["call"], one["words"]) for one in party.netd.log()
                 if one["call"] in tables.CHANGES and not one["code"]]
        party.client.stop()
    tried, seen = 0, {}
    for call, words in calls:
        after = seen[call] = seen.get(call, -1) + 1
        made_before_joining = PIN in " ".join(words)  # a second try comes soon
        ipv6 = call == "SetIpInterfaceEntry" and words[1] == "6"
        for code, reason in ((tables.ACCESS_DENIED, "Access"), (tables.NOT_FOUND, "1168")):
            text, joined, warnings = run_with_fault(party, call, code, after, 10 ** 6 if made_before_joining else 1,
                                                    joins=ipv6)
            where = f"{call} {' '.join(words)} with error {code}"
            lines = [line for line in text.splitlines() if call in line]
            if ipv6:
                tap.expect(joined, f"{where}: not joined: {text[-600:]}")
                tap.expect(any("IPv6" in one for one in warnings), f"{where}: warnings {warnings}")
            else:
                tap.expect(not joined, f"{where}: joined all the same")
                tap.expect(lines and (reason in lines[0] or str(code) in lines[0]), f"{where}: {text[-600:]}")
                tap.expect("(interface " in lines[0], f"{where}: no interface in {lines[0]}")
            expect_as_before(party, f"after {where}")
            tried += 1
    print(f"# {tried} runs")
    tap.expect(tried >= 20, f"only {tried} runs")


@plan.case("each call that reads fails once, in turn: named, unless it is in the room all the same; all undone [WIN-5 WIN-7]",
           limit=600)
def read_faults_in_turn(party):
    with started(party, **STATIC):
        calls = [one["call"] for one in party.netd.log() if one["call"] not in tables.CHANGES]
        party.client.stop()
    seen, named = {}, 0
    for call in calls:
        after = seen[call] = seen.get(call, -1) + 1
        text, joined, _ = run_with_fault(party, call, tables.ACCESS_DENIED, after, 1)
        named += call in text
        tap.expect(joined or call in text, f"{call} number {after}: {text[-600:]}")
        expect_as_before(party, f"after {call} number {after} had failed")
    print(f"# {len(calls)} runs, {named} times named")
    tap.expect(len(calls) >= 15, f"only {len(calls)} runs")


@plan.case("a call that reads never works: named, all undone [WIN-5 WIN-7]", limit=300)
def read_faults(party):
    for call in ("GetBestRoute2", "GetIpInterfaceEntry", "GetUnicastIpAddressTable", "GetIpForwardTable2"):
        for code in (tables.ACCESS_DENIED, tables.NOT_FOUND):
            text, _, _ = run_with_fault(party, call, code, 0, 10 ** 6)
            told = call in text or (call, code) == ("GetBestRoute2", tables.NOT_FOUND) and "no route to the relay" in text
            # Without one route there is none to compare with.
            tap.expect(told or (call, code) == ("GetIpForwardTable2", tables.NOT_FOUND), f"{call} {code}: {text[-600:]}")
            restart_clean(party)


if __name__ == "__main__":
    plan.main()
