#!/usr/bin/python3 -B
"""A party of three systems, each daemon started by its unit, with all of its hardening: relay, gateway and client in
containers on the party's networks, a real dnsmasq on the LAN, systemd-networkd at the client."""

import json
import re

import container
import roots
from container import traffic
from party import tap, topology

DER = "relay-ca.der"
OWN = "10.77.0.50"
NETWORKD = "/usr/lib/systemd/network/50-softlan.network"
DNS = "10.77.0.53"


class Party:
    """The systems of one release, and the networks they are on."""

    def __init__(self, systems, release):
        self.net = systems.party(release)
        self.net.start_dhcp(options=f"dhcp-option=6,{DNS}\ndhcp-option=42,{DNS}\n")
        self.box = {}
        for kind, role in (("relay", "relay"), ("gateway", "gw"), ("client", "c1")):
            self.box[kind] = systems.boot(release, kind, self.net.spaces[role])
            self.box[kind].install(roots.packages(release), f"softlan-{kind}", "softlan-tools")

    def start(self, kind, text):
        """Writes the daemon's file and starts its unit; returns once it is active."""
        self.box[kind].write(f"/etc/softlan/{kind}.conf", text)
        self.box[kind].run(["systemctl", "restart", f"softlan-{kind}"], timeout=20)

    def client_address(self):
        """The address that the client's TAP has by DHCP."""
        return [one for one in self.net.c1.addresses("softlan0") if one.startswith("10.77.0.1") and one != OWN]


def endpoint(more=""):
    return f'relay = "{topology.RELAY}"; relay_ca = "/etc/softlan/{DER}"; room = "ROOM1"; secret = "friends";\n{more}'


def fill(systems):
    systems.at = {release: Party(systems, release) for release in roots.RELEASES}


plan = container.plan(fill)


def cases(release):
    """The cases of one release."""

    @plan.case(f"{release}: relay, gateway and client become active, one after the other [OPS-2 OPS-4]")
    def _(systems):
        party = systems.at[release]
        party.start("relay", f'dev_certificate_out = "/var/lib/softlan/relay/{DER}";\n'
                             'rooms = ( { code = "ROOM1"; secret = "friends"; } );\n')
        with open(party.box["relay"].path(f"/var/lib/softlan/relay/{DER}"), "rb") as file:
            certificate = file.read()
        for kind in ("gateway", "client"):
            with open(party.box[kind].path(f"/etc/softlan/{DER}"), "wb") as file:
                file.write(certificate)
        party.start("gateway", endpoint('interface = "lan0";\n'))
        party.start("client", endpoint())
        for kind, box in party.box.items():
            tap.expect_equal(box.show(f"softlan-{kind}", "ActiveState"), "active", kind)
            print(f"# {kind}: " + box.show(f"softlan-{kind}", "StatusText"))
        rooms = party.box["relay"].run(["softlanctl", "rooms"])
        tap.expect(re.search(r"^ROOM1 .* 1 ", rooms, re.MULTILINE), rooms)

    @plan.case(f"{release}: systemd-networkd gets an address from the LAN's DHCP server by the package's file [GW-2 CORE-3]")
    def _(systems):
        party = systems.at[release]
        party.box["client"].run(["systemctl", "start", "systemd-networkd"])
        address = traffic.eventually("an address on softlan0", party.client_address, 20)[0]
        mac = party.net.c1.mac("softlan0")
        traffic.eventually("dnsmasq's lease", lambda: party.net.leases().get(mac) == address, 3)
        tap.expect(NETWORKD in party.box["client"].run(["networkctl", "status", "softlan0"]), "another file was used")

    @plan.case(f"{release}: pings client to LAN, LAN to client, client to relay [GW-2 RELAY-4]")
    def _(systems):
        party = systems.at[release]
        traffic.ping(party.net.c1, topology.LAN_HOST)
        traffic.ping(party.net.lan, party.client_address()[0])
        traffic.ping(party.net.c1, topology.RELAY)

    @plan.case(f"{release}: the client has neither a route nor a name server from the LAN [LIN-4]")
    def _(systems):
        party = systems.at[release]
        six = traffic.eventually("an IPv6 address from the LAN's router", lambda: [
            one for one in party.net.c1.addresses("softlan0", 6) if one.startswith("fd77:")], 15)
        traffic.ping(party.net.c1, topology.LAN_HOST6)
        for family in (4, 6):
            routes = party.net.c1.ip_json(f"-{family} route show default")
            tap.expect_equal([route["dev"] for route in routes], ["eth0"], f"IPv{family} default routes")
        status = party.box["client"].run(["networkctl", "status", "softlan0"])
        tap.expect(party.client_address()[0] in status and six[0] in status, status)
        tap.expect("DNS:" not in status and "NTP:" not in status, status)

    @plan.case(f"{release}: an address that the client sets itself stays beside networkd's [LIN-1]")
    def _(systems):
        party = systems.at[release]
        party.start("client", endpoint(f'tap: {{ address = "{OWN}/24"; }};\n'))
        traffic.eventually("an address by DHCP", party.client_address, 20)
        tap.expect(OWN in party.net.c1.addresses("softlan0"), f"addresses: {party.net.c1.addresses('softlan0')}")
        traffic.ping(party.net.lan, OWN)

    @plan.case(f"{release}: the journal finds a room, a MAC and a reason by fields, and has the level [OBS-1 OPS-2]")
    def _(systems):
        party = systems.at[release]
        relay = party.box["relay"]

        def entries(*match):
            lines = relay.run(["journalctl", "-u", "softlan-relay", "-o", "json", "--no-pager", *match]).splitlines()
            return [json.loads(line) for line in lines if line.startswith("{")]
        mac = party.net.c1.mac("softlan0")
        found = entries("SOFTLAN_ROOM=ROOM1", f"SOFTLAN_MAC={mac}")
        joined = [entry for entry in found if f"peer joined, room ROOM1 peer {entry['SOFTLAN_PEER']} " in entry["MESSAGE"]]
        tap.expect(joined, f"no entry of {mac}'s joining: {found}")
        tap.expect_equal((joined[0]["PRIORITY"], joined[0]["SYSLOG_IDENTIFIER"]), ("6", "softlan-relay"), "level, name")
        party.start("client", endpoint())  # it leaves in order, and comes again
        left = entries("SOFTLAN_REASON=shutting_down", f"SOFTLAN_MAC={mac}")
        tap.expect(left and "peer left, room ROOM1" in left[0]["MESSAGE"], f"no entry of its leaving: {left}")
        tap.expect(not entries("SOFTLAN_ROOM=ROOM2"), "entries of a room that there is not")
        tap.expect("friends" not in relay.run(["journalctl", "-u", "softlan-relay", "--no-pager"]), "the secret is logged")

    @plan.case(f"{release}: no daemon complains about what its unit withholds [OPS-4]")
    def _(systems):
        for kind, box in systems.at[release].box.items():
            text = box.run(["journalctl", "-u", f"softlan-{kind}", "-p", "warning", "-o", "cat", "--no-pager"])
            tap.expect("ermitted" not in text and "denied" not in text, f"{kind}: {text}")

    @plan.case(f"{release}: systemctl restart of the relay: everybody comes back [CORE-6 OPS-4]")
    def _(systems):
        party = systems.at[release]
        party.box["relay"].run(["systemctl", "restart", "softlan-relay"])
        traffic.eventually("a LAN host answers the client",
                           lambda: party.net.c1.ok(["ping", "-c", "1", "-W", "1", topology.LAN_HOST]), 20)
        for kind in ("gateway", "client"):
            tap.expect_equal(party.box[kind].show(f"softlan-{kind}", "NRestarts"), "0", f"restarts of the {kind}")

    @plan.case(f"{release}: systemctl stop: the TAP is gone, and all have ended in order [LIN-4 OPS-2]")
    def _(systems):
        party = systems.at[release]
        for kind, box in reversed(party.box.items()):
            box.run(["systemctl", "stop", f"softlan-{kind}"])
            tap.expect_equal(box.show(f"softlan-{kind}", "Result"), "success", kind)
        links = [link["ifname"] for link in party.net.c1.ip_json("link show")]
        tap.expect("softlan0" not in links, f"links: {links}")


for name in roots.RELEASES:
    cases(name)

if __name__ == "__main__":
    plan.main()
