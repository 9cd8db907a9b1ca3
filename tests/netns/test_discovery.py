#!/usr/bin/python3 -B
"""Games and what finds them, with every safety rule on: from the client to the LAN, and from the LAN to the client."""

import contextlib
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import drops, frames, messages, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

BIG = 3000  # bytes of UDP payload: three fragments at the room's MTU


class Place:
    """Where a program of a test runs: a namespace, its interface to the party, its addresses there."""

    def __init__(self, party, role):
        self.role, self.space = role, party.spaces[role]
        self.interface = "eth0" if role == "lan" else "softlan0"
        self.mac = self.space.mac(self.interface)
        self.address = standard.ADDRESSES.get(role, topology.LAN_HOST)
        self.address6 = standard.ADDRESSES6.get(role, topology.LAN_HOST6)

    def udp(self, port=0, group=None):
        sock = traffic.udp_socket(self.space, self.interface, "", port, group)
        sock.settimeout(5)
        return sock

    def wire(self):
        return frames.Port(self.space, self.interface)


def setup():
    party = standard.start()
    party.places = {role: Place(party, role) for role in ("lan", "c1", "c2")}
    lan = party.lan
    # The answers of these tests are unicast: neighbours are known from the start, as between players who talk.
    for role in party.clients:
        traffic.ping(lan, standard.ADDRESSES[role], count=1)
        traffic.ping(lan, standard.ADDRESSES6[role], count=1)
    return party


plan = tap.Plan(setup)


def ways(party):
    """Both directions: (from, to)."""
    client, lan = party.places["c1"], party.places["lan"]
    return (client, lan), (lan, client)


def question_and_answer(asker, server, target, port, question, answer, group=None, asker_port=0):
    """One datagram to everybody (`target`), seen by the server as it was sent; and its unicast answer, seen by the
    asker as it was sent, from the server's address."""
    way = f"{asker.role} asks {server.role}"
    with contextlib.closing(server.udp(port, group)) as there, contextlib.closing(asker.udp(asker_port)) as here:
        here.sendto(question, (target, port))
        got, source = there.recvfrom(4096)
        tap.expect_equal(got, question, f"{way}: question")
        tap.expect_equal(source, (asker.address, here.getsockname()[1]), f"{way}: where the question came from")
        there.sendto(answer, source)
        got, source = here.recvfrom(4096)
        if (got, source[0]) == (question, asker.address):  # its own broadcast, at the server's port itself
            got, source = here.recvfrom(4096)
        tap.expect_equal(got, answer, f"{way}: answer")
        tap.expect_equal(source, (server.address, port), f"{way}: where the answer came from")


def announcement(sender, receivers, target, port, text, group=None):
    """One datagram to everybody, seen by all receivers as it was sent."""
    with contextlib.ExitStack() as stack:
        socks = [(one, stack.enter_context(contextlib.closing(one.udp(port, group)))) for one in receivers]
        out = stack.enter_context(contextlib.closing(sender.udp()))
        out.sendto(text, (target, port))
        for one, sock in socks:
            got, source = sock.recvfrom(4096)
            tap.expect_equal(got, text, f"{sender.role} to {target}, seen at {one.role}")
            tap.expect_equal(source[0], sender.address, f"source address seen at {one.role}")


def others(party, place):
    return [one for one in party.places.values() if one is not place]


@plan.case("SSDP: M-SEARCH to 239.255.255.250:1900 and its unicast answer, both ways [FILTER-5 GW-2 RELAY-5]")
def ssdp_search(party):
    with drops.only(party):
        for asker, server in ways(party):
            question_and_answer(asker, server, messages.SSDP_GROUP, messages.SSDP_PORT, messages.SSDP_SEARCH,
                                messages.ssdp_answer(server.address), group=messages.SSDP_GROUP)


@plan.case("SSDP: NOTIFY to 239.255.255.250:1900, both ways [FILTER-5 GW-2 RELAY-5]")
def ssdp_notify(party):
    with drops.only(party):
        for sender, _ in ways(party):
            announcement(sender, others(party, sender), messages.SSDP_GROUP, messages.SSDP_PORT,
                         messages.ssdp_notify(sender.address), group=messages.SSDP_GROUP)


@plan.case("NetBIOS name service: a broadcast query to port 137 and its unicast answer, both ways [FILTER-5 GW-2]")
def netbios(party):
    with drops.only(party):
        for asker, server in ways(party):
            query = messages.netbios_query(server.role)
            question_and_answer(asker, server, topology.LAN_BROADCAST, messages.NETBIOS_PORT, query,
                                messages.netbios_answer(query, server.role, server.address),
                                asker_port=messages.NETBIOS_PORT)


@plan.case("Minecraft: the announcement of an open world to 224.0.2.60:4445, both ways [FILTER-5 GW-2 RELAY-5]")
def minecraft(party):
    with drops.only(party):
        for sender, _ in ways(party):
            announcement(sender, others(party, sender), messages.MINECRAFT_GROUP, messages.MINECRAFT_PORT,
                         messages.MINECRAFT, group=messages.MINECRAFT_GROUP)


@plan.case("Source engine: A2S_INFO broadcast to port 27015 and its unicast answer, both ways [FILTER-5 GW-2]")
def source_engine(party):
    with drops.only(party):
        for asker, server in ways(party):
            question_and_answer(asker, server, "255.255.255.255", messages.SOURCE_PORT, messages.SOURCE_QUERY,
                                messages.SOURCE_ANSWER)


@plan.case("broadcasts to 255.255.255.255 and to the subnet's address reach all, both ways [FILTER-5 GW-2 RELAY-5]")
def broadcasts(party):
    with drops.only(party):
        for sender, _ in ways(party):
            for target in ("255.255.255.255", topology.LAN_BROADCAST):
                announcement(sender, others(party, sender), target, 6112, f"{sender.role} to {target}".encode())


@plan.case("IPX SAP in its four encapsulations (0x8137, raw 802.3, LLC, SNAP) byte for byte, both ways [GW-2 PROTO-4]")
def ipx(party):
    for sender, receiver in ways(party):
        wanted = messages.ipx_frames(sender.mac)
        there, here = receiver.wire(), sender.wire()
        with drops.only(party), contextlib.closing(there), contextlib.closing(here):
            # The kernel's own noise apart: IPv6 in Ethernet II frames.
            with frames.Recorder({"there": there}, lambda frame: frames.ethertype(frame) < 0x600
                                 or frames.ethertype(frame) == 0x8137) as recorder:
                for frame in wanted.values():
                    here.send(frame)
                recorder.wait("there", len(wanted))
            got = recorder.seen("there")
            missing = [name for name, frame in wanted.items() if frame not in got]
            tap.expect(not missing, f"{sender.role} to {receiver.role}: not seen as they were sent: {missing}")
            tap.expect_equal(len(got), len(wanted), "frames seen")


@contextlib.contextmanager
def group_frames(sender, receiver):
    """Records what the receiver's wire carries from the sender's MAC while the body runs."""
    wire = receiver.wire()
    with contextlib.closing(wire), frames.Recorder(
            {"there": wire}, lambda frame: frames.source(frame) == sender.mac) as recorder:
        yield recorder


def join(place, group):
    """A socket that is a member of the group."""
    family = socket.AF_INET6 if ":" in group else socket.AF_INET
    sock = place.space.socket(family, socket.SOCK_DGRAM)
    with place.space.entered():
        index = socket.if_nametoindex(place.interface)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                        socket.inet_pton(family, group) + struct.pack("@I", index))
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                        struct.pack("@4s4si", socket.inet_aton(group), bytes(4), index))
    return sock


# What a membership message says: its type, and in version 3 of IGMP and 2 of MLD also the type of the group's record
# (RFC 3376 4.2.12): 2 "is a member" answers a query, 4 is said on joining, 3 on leaving.
IGMP2, IGMP3 = ((0x16,), (0x16,), (0x17,)), ((0x22, 4), (0x22, 2), (0x22, 3))
MLD1, MLD2 = ((131,), (131,), (132,)), ((143, 4), (143, 2), (143, 3))


def said(message, group):
    """What this IGMP or MLD message says about the group."""
    if message[0] not in (0x22, 143):
        return {(message[0],)} if group in message else set()
    found, rest = set(), message[8:]
    for _ in range(struct.unpack_from("!H", message, 6)[0]):
        sources = struct.unpack_from("!H", rest, 2)[0]
        if rest[4:4 + len(group)] == group:
            found.add((message[0], rest[0]))
        rest = rest[4 + len(group) * (1 + sources) + 4 * rest[1]:]
    return found


def igmp_of(frame, group):
    """What an IGMP message of the kernel says about this group."""
    found = messages.ipv4(frame)
    if not found or found[0] != 2:
        return set()
    tap.expect_equal(frame[14] & 15, 6, "IPv4 header words of an IGMP message (6: with the router alert option)")
    return said(found[3], socket.inet_aton(group))


def mld_of(frame, group):
    """What an MLD message of the kernel says about this group."""
    found = messages.ipv6(frame)
    if not found or found[0] != [0, 58] or found[3][0] not in (131, 132, 143):
        return set()
    return said(found[3], socket.inet_pton(socket.AF_INET6, group))


def reports(party, family, version, group, wanted, query):
    """A socket of the sender joins and leaves: the receiver's wire carries the kernel's report and its farewell. A
    query of the LAN is answered in between: it reaches the client as it was sent, and the report comes back."""
    kind = igmp_of if family == 4 else mld_of
    joined, answered, left = wanted
    name = "ipv4/conf/{}/force_igmp_version" if family == 4 else "ipv6/conf/{}/force_mld_version"
    with drops.only(party):
        for sender, receiver in ways(party):
            sender.space.sysctl(name.format(sender.interface), version)
            try:
                with group_frames(sender, receiver) as recorder:
                    heard = Said(f"{sender.role} to {receiver.role}", recorder, kind, group)
                    member = join(sender, group)
                    heard.wait("the report", joined)
                    if sender.role == "c1":
                        before = len(recorder.seen("there"))
                        ask(receiver, sender, query)
                        heard.wait("the answer to a query", answered, before)
                    before = len(recorder.seen("there"))
                    member.close()
                    heard.wait("the farewell", left, before)
                    tap.expect(heard.all() <= set(wanted), f"{heard.way}: {heard.all()} instead of {wanted}")
            finally:
                sender.space.sysctl(name.format(sender.interface), 0)


class Said:
    """What the kernel's messages on a recorded wire say about one group."""

    def __init__(self, way, recorder, kind, group):
        self.way, self.recorder, self.kind, self.group = way, recorder, kind, group

    def all(self, start=0):
        return {one for frame in self.recorder.seen("there")[start:] for one in self.kind(frame, self.group)}

    def wait(self, what, wanted, start=0):
        try:
            traffic.eventually(what, lambda: wanted in self.all(start))
        except TimeoutError as late:
            raise TimeoutError(f"{self.way}: {late}; {wanted} of {self.group} not in {self.all(start)}") from None


def ask(querier, member, query):
    """The LAN's general query, seen at the client as it was sent."""
    with contextlib.closing(querier.wire()) as out, contextlib.closing(member.wire()) as into:
        with frames.Recorder({"query": into}, lambda frame: frame == query) as recorder:
            out.send(query)
            tap.expect(recorder.wait("query", 1), f"{member.role} has not seen the query of {querier.role}")


# Version 3 first: a host that has heard a query of version 2 speaks that for minutes (RFC 3376 7.2.1).
@plan.case("IGMPv3 reports of the kernel, both ways; the LAN's query is answered [FILTER-5 GW-2]")
def igmp3(party):
    lan = party.places["lan"]
    reports(party, 4, 3, "239.77.3.3", IGMP3, messages.igmp_query(lan.mac, lan.address, version=3))


@plan.case("IGMPv2 reports and leaves of the kernel, both ways; the LAN's query is answered [FILTER-5 GW-2]")
def igmp2(party):
    lan = party.places["lan"]
    reports(party, 4, 2, "239.77.2.2", IGMP2, messages.igmp_query(lan.mac, lan.address))


@plan.case("MLDv2 reports of the kernel, both ways; the LAN's query is answered [FILTER-6 GW-2]")
def mld2(party):
    reports(party, 6, 2, "ff05::77:2", MLD2, lan_mld_query(party, version=2))


@plan.case("MLDv1 reports and dones of the kernel, both ways; the LAN's query is answered [FILTER-6 GW-2]")
def mld1(party):
    reports(party, 6, 1, "ff05::77:1", MLD1, lan_mld_query(party))


def lan_mld_query(party, version=1):
    lan = party.places["lan"]
    local = traffic.eventually("the LAN's host has a link-local address", lambda: [
        one for one in lan.space.addresses("eth0", 6) if one.startswith("fe80:")])
    return messages.mld_query(lan.mac, local[0], version)


def big(sender, receiver, family, port):
    """A datagram that goes in fragments: does it arrive? (As it was sent; anything else fails.)"""
    text = os.urandom(BIG)
    kind, target = ((socket.AF_INET, receiver.address) if family == 4 else (socket.AF_INET6, receiver.address6))
    with contextlib.closing(receiver.space.socket(kind, socket.SOCK_DGRAM)) as there, \
            contextlib.closing(sender.space.socket(kind, socket.SOCK_DGRAM)) as here:
        there.bind((target, port))
        there.settimeout(3)
        here.sendto(text, (target, port))
        try:
            got = there.recv(65536)
        except TimeoutError:
            return False
    tap.expect(got == text, f"{sender.role} to {receiver.role}: another content arrived ({len(got)} bytes)")
    return True


def fragment_of(frame):
    """Is this an IPv4 fragment, or does it have an IPv6 fragment header right behind its header?"""
    kind = frames.ethertype(frame)
    return kind == 0x0800 and struct.unpack_from("!H", frame, 20)[0] & 0x3FFF != 0 or kind == 0x86DD and frame[20] == 44


@plan.case("a UDP datagram of 3,000 bytes over IPv4 crosses in fragments, both ways [FILTER-5 FILTER-7]")
def big4(party):
    with drops.only(party):
        for sender, receiver in (*ways(party), (party.places["c1"], party.places["c2"])):
            with group_frames(sender, receiver) as recorder:
                tap.expect(big(sender, receiver, 4, 7300), f"{sender.role} to {receiver.role}: it did not arrive")
            pieces = sum(map(fragment_of, recorder.seen("there")))
            tap.expect_equal(pieces, 3, f"{sender.role} to {receiver.role}: IPv4 fragments seen")


@plan.case("one of 3,000 bytes over IPv6 from a client is dropped as ipv6_fragment; from the LAN it arrives [FILTER-7]")
def big6(party):
    client, lan = party.places["c1"], party.places["lan"]
    with drops.only(party, {"c1 ipv6_fragment": 3}), group_frames(client, lan) as recorder:
        tap.expect(not big(client, lan, 6, 7600), "the client's datagram arrived on the LAN")
    tap.expect(not any(map(fragment_of, recorder.seen("there"))), "an IPv6 fragment of the client is on the LAN's wire")
    with drops.only(party), group_frames(lan, client) as recorder:
        tap.expect(big(lan, client, 6, 7600), "the LAN's datagram did not arrive")
    tap.expect_equal(sum(map(fragment_of, recorder.seen("there"))), 3, "IPv6 fragments seen at the client")


@plan.case("at a gateway without split a LAN host that cuts to 1500 is over its MTU: dropped, counted as over_mtu "
           "[FILTER-8 GW-2]")
def big_over_mtu(party):
    client, lan = party.places["c1"], party.places["lan"]
    party.gateway.stop()
    party.gateway.settings["datagram"] = {"split": False}
    party.gateway.start()
    traffic.ping(lan.space, client.address)
    try:
        # Two fragments of 1500 bytes, and a small third one, which alone makes no datagram. Its remains end in
        # silence: an ICMP "reassembly time exceeded" needs the first fragment.
        with drops.only(party, {"gateway over_mtu": 2}):
            tap.expect(not big(lan, client, 4, 7300), "it arrived at the client")
    finally:
        party.gateway.stop()
        del party.gateway.settings["datagram"]
        party.gateway.start()
    traffic.ping(lan.space, client.address)
    with drops.only(party):  # and with it, it is heard
        tap.expect(big(lan, client, 4, 7300), "it did not arrive at the client")


@plan.case("ARP: a request and its answer, both ways, and a probe for an unused address [GW-2]")
def arp(party):
    with drops.only(party):
        for asker, server in ways(party):
            out = asker.space.run(["arping", "-I", asker.interface, "-c", "2", "-w", "5", server.address])
            tap.expect(server.mac.upper() in out.upper(), f"{asker.role} asks {server.role}: {out}")
            # Duplicate address detection (RFC 5227): sender address 0; exit 0 as nobody answers.
            asker.space.run(["arping", "-D", "-I", asker.interface, "-c", "2", "-w", "3", "10.77.0.250"])


@plan.case("a TCP connection, opened from either side, carries 2 MB whole [GW-2]")
def tcp(party):
    with drops.only(party):
        for sender, receiver in ways(party):
            traffic.transfer(sender.space, receiver.space, receiver.address, 2, timeout=30)


if __name__ == "__main__":
    plan.main()
