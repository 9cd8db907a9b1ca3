#!/usr/bin/python3 -B
"""Names and addresses by real daemons, with every safety rule on: mDNS by avahi-daemon, DHCP, DHCPv6 and SLAAC from
the LAN's dnsmasq. A client gets all of them; what it may not do is to serve them."""

import contextlib
import ipaddress
import os
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, drops, frames, mdns, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

RANGE6 = ("fd77::1:0", "fd77::1:ffff")  # no address by SLAAC lies in there
MDNS_PORT = 5353
ANNOUNCED = 8  # seconds: avahi-daemon announces a name 0, 1, 3 and 7 s after its start
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 133, 134


def setup():
    # The client of c2 starts in a case of its own, under everybody's eyes.
    party = standard.start(clients=("c1",))
    party.start_dhcp(range6=f"{RANGE6[0]},{RANGE6[1]},slaac,64,1h")
    traffic.eventually("dnsmasq runs", lambda: "DHCPv6" in dnsmasq_log(party), 5)
    return party


plan = tap.Plan(setup)


def interface_of(role):
    return "eth0" if role == "lan" else "softlan0"


def dnsmasq_log(party):
    with open(party.path("dnsmasq.log"), encoding="utf-8", errors="replace") as file:
        return file.read()


def leased(party, address):
    """dnsmasq's lease file holds this address, at once or soon: it is written again with every change."""
    traffic.eventually(f"dnsmasq has a lease of {address}", lambda: address in party.leases().values(), 3)


def released(party, address):
    """dnsmasq has given up the lease of this address, because it was released: it logs that."""
    def said():
        return [line for line in dnsmasq_log(party).splitlines() if "DHCPRELEASE(eth0)" in line
                and (topology.LAN_SUBNET[:6] in line) == ("." in address)]
    traffic.eventually(f"dnsmasq gives up {address}", lambda: said() and address not in party.leases().values(), 3)


@contextlib.contextmanager
def recorded(party, wanted, *roles):
    """Records what arrives at the interfaces of these roles."""
    ports = standard.ports(party, *roles)
    try:
        with frames.Recorder(ports, wanted) as recorder:
            yield recorder
    finally:
        for port in ports.values():
            port.close()


def udp(frame):
    """(source, destination, source port, destination port, payload) of a UDP packet without options, or None."""
    if frames.ethertype(frame) == 0x0800 and frame[14] == 0x45 and frame[23] == 17:
        addresses, behind = (frame[26:30], frame[30:34]), frame[34:]
    elif frames.ethertype(frame) == 0x86DD and frame[20] == 17:
        addresses, behind = (frame[22:38], frame[38:54]), frame[54:]
    else:
        return None
    if len(behind) < 8:
        return None
    return (*(str(ipaddress.ip_address(one)) for one in addresses), *struct.unpack("!HH", behind[:4]), behind[8:])


def icmpv6(frame):
    """(source, destination, hop limit, type) of an ICMPv6 packet without extension headers, or None."""
    if frames.ethertype(frame) != 0x86DD or frame[20] != 58 or len(frame) < 58:
        return None
    return str(ipaddress.ip_address(frame[22:38])), str(ipaddress.ip_address(frame[38:54])), frame[21], frame[54]


# --- mDNS ---

def mdns_text(name, response):
    """Is a frame an mDNS message about this name: a question, or a response?"""
    label = bytes([len(name)]) + name.encode() + b"\x05local"

    def test(frame):
        packet = udp(frame)
        return (packet is not None and packet[3] == MDNS_PORT and len(packet[4]) > 12 and label in packet[4]
                and bool(packet[4][2] & 0x80) == response)
    return test


def asks(party, asker, server, family):
    """A daemon that has just started resolves the name of one whose announcements are over: it must ask for it, and
    the question and the answer cross. The address that it gets is one of the server's."""
    space, interface = party.spaces[server.role], interface_of(server.role)
    macs = {role: party.spaces[role].mac(interface_of(role)) for role in (asker.role, server.role)}
    question, answer = mdns_text(server.name, False), mdns_text(server.name, True)
    with recorded(party, lambda frame: question(frame) or answer(frame), asker.role, server.role) as recorder:
        got = asker.resolve(server.name, family)
        crossed = {
            "question": (server.role, macs[asker.role], question),
            "answer": (asker.role, macs[server.role], answer),
        }
        for what, (place, source, test) in crossed.items():
            traffic.eventually(f"the {what} of {asker.role} about {server.name} is seen at {place}", lambda: any(
                frames.source(one) == source and test(one) for one in recorder.seen(place)), 3)
    tap.expect(got in space.addresses(interface, family),
               f"{asker.role} resolves {server.name}.local to {got}, {server.role} has "
               f"{space.addresses(interface, family)}")
    print(f"# {asker.role}: {server.name}.local is {got}")


def both_resolve(party, family):
    """The client's daemon resolves the LAN's name, and a new one on the LAN the client's."""
    with contextlib.ExitStack() as stack, drops.only(party):
        def start(role, name):
            return stack.enter_context(contextlib.closing(mdns.Avahi(party, role, interface_of(role), name, family)))
        lan = start("lan", f"host{family}")
        time.sleep(ANNOUNCED)
        client = start("c1", f"player{family}")
        asks(party, client, lan, family)
        time.sleep(ANNOUNCED)
        asks(party, start("lan", f"other{family}"), client, family)
        # The one that knew of the client by its announcements agrees.
        tap.expect(lan.resolve(client.name, family) in party.c1.addresses("softlan0", family), "another address")


@plan.case("mDNS over IPv4: avahi-daemon at LAN and client resolve each other's names [GW-2 RELAY-5]")
def mdns4(party):
    both_resolve(party, 4)


@plan.case("mDNS over IPv6: avahi-daemon at LAN and client resolve each other's names [GW-2 RELAY-5]")
def mdns6(party):
    both_resolve(party, 6)


# --- DHCP ---

def dhcp_frames(frame):
    packet = udp(frame)
    return packet is not None and set(packet[2:4]) == {67, 68}


def message_type(packet):
    """The DHCP message type (option 53), or None."""
    options, at = packet[4], 240
    while at + 2 < len(options) and options[at] != 255:
        if options[at] == 53:
            return options[at + 2]
        at += 1 if options[at] == 0 else 2 + options[at + 1]
    return None


REQUEST, ACK, RELEASE = 3, 5, 7


@plan.case("DHCP: udhcpc leases from dnsmasq, renews by unicast, releases [FILTER-5 GW-2]")
def dhcp(party):
    mac = party.c1.mac("softlan0")
    party.c1.run("ip -4 address flush dev softlan0".split())
    with drops.only(party), recorded(party, dhcp_frames, "lan", "c1") as recorder:
        process = party.spawn("c1", ["udhcpc", "-i", "softlan0", "-f", "-R", "-t", "10", "-T", "1", "-s",
                                     party.path("dhcp-script")], log="udhcpc.log")
        try:
            address = traffic.eventually("dnsmasq has a lease for the client, and the client has it", lambda: (
                lease := party.leases().get(mac)) in party.c1.addresses("softlan0") and lease, 20)
            traffic.ping(party.c1, topology.LAN_HOST)
            traffic.ping(party.lan, address)

            def unicast(place, source, target, kind):
                """Messages of this kind that came to `place`, from and to these."""
                return [one for one in recorder.seen(place) if udp(one)[:2] == (source[1], target[1])
                        and (frames.source(one), frames.destination(one)) == (source[0], target[0])
                        and message_type(udp(one)) == kind]
            here, there = (mac, address), (topology.LAN_MAC, topology.LAN_HOST)
            tap.expect(not unicast("lan", here, there, REQUEST), "a unicast request before the renewal")
            before = dnsmasq_log(party).count("DHCPACK")
            process.send_signal(signal.SIGUSR1)  # renew now
            traffic.eventually("the unicast request is seen on the LAN", lambda: unicast("lan", here, there, REQUEST))
            traffic.eventually("its unicast ACK is seen at the client", lambda: unicast("c1", there, here, ACK))
            traffic.eventually("dnsmasq says that it renews", lambda: dnsmasq_log(party).count("DHCPACK") > before, 3)
            leased(party, address)
        finally:
            party.end(process)
        traffic.eventually("the unicast release is seen on the LAN", lambda: unicast("lan", here, there, RELEASE))
        released(party, address)


@plan.case("DHCP: dhclient leases from dnsmasq [FILTER-5 GW-2]")
def dhcp_dhclient(party):
    with drops.only(party):
        party.c1.run("ip -4 address flush dev softlan0".split())
        address = traffic.lease(party, "c1", client="dhclient")
        leased(party, address)
        traffic.ping(party.c1, topology.LAN_HOST)
        traffic.ping(party.lan, address)


# --- DHCPv6 ---

@plan.case("DHCPv6: dhclient -6 gets a stateful address from dnsmasq, and releases it [FILTER-6 GW-2]")
def dhcpv6(party):
    first, last = (int(ipaddress.ip_address(one)) for one in RANGE6)

    def in_range():
        return [one for one in party.c1.addresses("softlan0", 6) if first <= int(ipaddress.ip_address(one)) <= last]

    def wanted(frame):
        packet = udp(frame)
        return packet is not None and packet[3] in (546, 547)
    tap.expect_equal(in_range(), [], "addresses of the range before")
    files = ["-sf", party.path("dhcp-script"), "-lf", party.path("c1.dhclient6-leases"),
             "-pf", party.path("c1.dhclient6-pid")]
    with drops.only(party), recorded(party, wanted, "lan", "c1") as recorder:
        process = party.spawn("c1", ["dhclient", "-6", "-d", "-1", *files, "softlan0"], log="dhclient6.log")
        try:
            address = traffic.eventually("the client has an address of the range", in_range, 20)[0]
        finally:
            party.end(process)
        leased(party, address)
        # Solicit and request by the client, advertise and reply by the LAN's server.
        for place, types in (("lan", {1, 3}), ("c1", {2, 7})):
            traffic.eventually(f"messages of types {types} are seen at {place}", lambda place=place, types=types:
                               types <= {udp(one)[4][0] for one in recorder.seen(place)}, 3)
        traffic.ping(party.lan, address)
        traffic.ping(party.c1, topology.LAN_HOST6, more=["-I", address])
        party.c1.run(["dhclient", "-6", "-r", *files, "softlan0"], timeout=20)
        released(party, address)


# --- SLAAC ---

@plan.case("SLAAC: a client that joins solicits routers, gets an address, and no default route [FILTER-6 LIN-4]")
def slaac(party):
    def wanted(frame):
        packet = icmpv6(frame)
        return packet is not None and packet[3] in (ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT)
    tap.expect(party.c2.ip_json("-6 route show default"), "the client's machine has no default route to lose")
    with drops.only(party), recorded(party, wanted, "lan") as recorder:
        party.clients["c2"] = daemons.make_client(party, "c2").start()
        mac = party.c2.mac("softlan0")
        found = traffic.eventually("an address of fd77::/64 by a router advertisement", lambda: [
            info for entry in party.c2.ip_json("-6 addr show dev softlan0") for info in entry["addr_info"]
            if info["local"].startswith("fd77:") and not info.get("tentative")], 15)
        tap.expect_equal({(info.get("dynamic"), info["prefixlen"]) for info in found}, {(True, 64)}, "addresses")
        address = found[0]["local"]
        solicited = traffic.eventually("a router solicitation of the client on the LAN", lambda: [
            icmpv6(one) for one in recorder.seen("lan") if frames.source(one) == mac
            and icmpv6(one)[3] == ROUTER_SOLICITATION], 5)
        tap.expect_equal({packet[1:3] for packet in solicited}, {("ff02::2", 255)}, "router solicitations")
        traffic.ping(party.c2, topology.LAN_HOST6)
        traffic.ping(party.lan, address)
        through = [route for route in party.c2.ip_json("-6 route show default") if route["dev"] == "softlan0"]
        tap.expect_equal(through, [], "IPv6 default routes on the TAP")
        tap.expect_equal(party.c2.ip_json(f"-6 route get {topology.RELAY6}")[0]["dev"], "eth0", "the way out")
        tap.expect(not [one for one in recorder.seen("lan") if icmpv6(one)[3] == ROUTER_ADVERTISEMENT],
                   "a router advertisement came out of the room")


if __name__ == "__main__":
    plan.main()
