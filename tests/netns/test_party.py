#!/usr/bin/python3 -B
"""The whole party, looked at from outside: leases, pings, IPv6, broadcasts, TCP, UDP, IPX."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import frames, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

MEGABYTES = 200


plan = tap.Plan(lambda: standard.start(dhcp=True, gateway_env={"WATCHDOG_USEC": "1000000"}))


@plan.case("READY and STATUS reach systemd, the watchdog is fed [OPS-2]")
def notifications(party):
    for daemon in party.daemons:
        tap.expect(daemon.noted("READY=1"), f"{daemon.name}: no READY=1")
        tap.expect(daemon.status_line(), f"{daemon.name}: no STATUS= line")
    traffic.eventually("WATCHDOG=1 from the gateway", lambda: party.gateway.noted("WATCHDOG=1"), 3)


@plan.case("the client's TAP has the tunnel MAC and the room's MTU [CORE-1 CORE-2 LIN-1]")
def tap_device(party):
    seen = {peer["mac"] for peer in party.relayd.peers() if peer["role"] == "client"}
    macs = {party.spaces[role].mac("softlan0") for role in party.clients}
    tap.expect_equal(seen, macs, "client MACs at the relay and on the TAPs")
    for mac in macs:
        tap.expect(int(mac[:2], 16) & 3 == 2, f"{mac} is not a locally administered unicast address")
    for role in party.clients:
        tap.expect_equal(party.spaces[role].mtu("softlan0"), party.clients[role].status()["mtu"], f"MTU of {role}")


@plan.case("two clients lease addresses from the LAN's dnsmasq [GW-2 CORE-3]")
def dhcp(party):
    for role, client in zip(topology.HOMES, ("udhcpc", "dhclient")):
        party.address[role] = traffic.lease(party, role, client=client)
        mac = party.spaces[role].mac("softlan0")
        # dnsmasq writes the file anew with each change: for a moment it is empty.
        traffic.eventually(f"dnsmasq's lease of {party.address[role]} for {role} ({mac})",
                           lambda mac=mac, role=role: party.leases().get(mac) == party.address[role], 2)
    tap.expect(party.address["c1"] != party.address["c2"], "both clients have the same address")


@plan.case("ping client to LAN, LAN to client, client to client [GW-2 RELAY-4]")
def pings(party):
    traffic.ping(party.c1, topology.LAN_HOST)
    traffic.ping(party.c2, topology.LAN_HOST)
    traffic.ping(party.lan, party.address["c1"])
    traffic.ping(party.lan, party.address["c2"])
    traffic.ping(party.c1, party.address["c2"])
    traffic.ping(party.c2, party.address["c1"])


@plan.case("pings of every size up to the TAP's MTU, and fragmented ones [GW-2]")
def sizes(party):
    mtu = party.c1.mtu("softlan0")
    for size in (0, 1, 1200, mtu - 28):
        traffic.ping(party.c1, topology.LAN_HOST, size=size, more=["-M", "do"])
    # Fragmented IP packets cross like all others; a LAN host of MTU 1500 would cut them too long for the room.
    traffic.ping(party.c1, party.address["c2"], size=4000)


@plan.case("ARP both ways: the answers carry the real MACs [GW-2]")
def arp(party):
    out = party.c1.run(["arping", "-I", "softlan0", "-c", "2", "-w", "5", topology.LAN_HOST])
    tap.expect(topology.LAN_MAC.upper() in out.upper(), f"arping: {out}")
    out = party.lan.run(["arping", "-I", "eth0", "-c", "2", "-w", "5", party.address["c2"]])
    tap.expect(party.c2.mac("softlan0").upper() in out.upper(), f"arping: {out}")


@plan.case("IPv6: address from the LAN's router advertisement, ping all ways [LIN-1 LIN-2]")
def ipv6(party):
    found = {}
    for role in party.clients:
        space = party.spaces[role]
        found[role] = traffic.eventually(f"{role} has an address of fd77::/64", lambda: [
            one for one in space.addresses("softlan0", 6) if one.startswith("fd77:")], 15)[0]
        traffic.ping(space, topology.LAN_HOST6)
        traffic.ping(party.lan, found[role])
    traffic.ping(party.c1, found["c2"])


@plan.case("255.255.255.255, subnet broadcast and 239.x multicast in both directions [RELAY-5]")
def broadcasts(party):
    places = {"lan": (party.lan, "eth0"), "c1": (party.c1, "softlan0"), "c2": (party.c2, "softlan0")}
    for role, (space, interface) in places.items():
        others = [place for other, place in places.items() if other != role]
        for target in ("255.255.255.255", topology.LAN_BROADCAST, "239.77.1.2"):
            source = party.address.get(role, topology.LAN_HOST)
            missing = traffic.udp_reaches(space, interface, others, target, source=source)
            tap.expect(not missing, f"{role} -> {target} was not seen at {sorted(missing)}")


@plan.case("tcpdump on the LAN sees the client's broadcast as the client sent it [GW-2]")
def tcpdump(party):
    mac = party.c1.mac("softlan0")
    with open(party.path("tcpdump.txt"), "wb") as text:
        process = party.lan.popen(["tcpdump", "-nel", "-i", "eth0", "-c", "1", "udp", "port", "27015"],
                                  stdout=text, stderr=text)
    try:
        def output():
            with open(party.path("tcpdump.txt"), encoding="utf-8", errors="replace") as file:
                return file.read()
        traffic.eventually("tcpdump listens", lambda: "listening on" in output())
        traffic.udp_reaches(party.c1, "softlan0", [(party.lan, "eth0")], "255.255.255.255",
                            source=party.address["c1"])
        line = f"{mac} > ff:ff:ff:ff:ff:ff"
        traffic.eventually("tcpdump prints the frame", lambda: line in output())
    finally:
        process.kill()
        process.wait()


@plan.case("offloads are on at the LAN host and at the client [GW-2 LIN-5]")
def offloads(party):
    for role, interface in (("lan", "eth0"), ("c1", "softlan0")):
        features = party.spaces[role].run(["ethtool", "-k", interface])
        for name in ("tcp-segmentation-offload", "tx-checksumming"):
            tap.expect(f"{name}: on" in features, f"{role} {interface}: {name} is off")


@plan.case("TCP segments fit one datagram even if both hosts believe in an MTU of 1500 [PROTO-3]")
def mss_clamp(party):
    tap.expect_equal(party.c1.mtu("softlan0"), 1500, "MTU of softlan0")
    unsplit = 1400 - 4 - 14  # datagram.max_size, less the overlay's and the Ethernet header
    for family, target, overhead in ((socket.AF_INET, topology.LAN_HOST, 40),
                                     (socket.AF_INET6, topology.LAN_HOST6, 60)):
        with party.lan.socket(family, socket.SOCK_STREAM) as listener, \
                party.c1.socket(family, socket.SOCK_STREAM) as sender:
            listener.bind((target, 7001))
            listener.listen(1)
            listener.settimeout(5)
            sender.settimeout(5)
            sender.connect((target, 7001))
            receiver = listener.accept()[0]
            with receiver:
                for end in (sender, receiver):
                    segment = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
                    # Less the timestamps.
                    tap.expect_equal(segment, unsplit - overhead - 12, "the largest segment")


@plan.case("iperf3 TCP both ways [GW-2 CORE-3]")
def iperf_tcp(party):
    for reverse in (False, True):
        end = traffic.iperf(party, "lan", "c1", topology.LAN_HOST, seconds=2, reverse=reverse)
        rate = end["sum_received"]["bits_per_second"] / 1e6
        print(f"# {'LAN to client' if reverse else 'client to LAN'}: {rate:.0f} Mbit/s")
        tap.expect(rate > 5, f"only {rate:.1f} Mbit/s")


@plan.case("iperf3 UDP both ways without loss at 10 Mbit/s [GW-2 CORE-3]")
def iperf_udp(party):
    for reverse in (False, True):
        end = traffic.iperf(party, "lan", "c1", topology.LAN_HOST, seconds=2, reverse=reverse, udp_rate="10M",
                            length=1300)
        lost, packets = end["sum"]["lost_packets"], end["sum"]["packets"]
        tap.expect(packets > 1000, f"only {packets} packets")
        tap.expect(lost <= packets // 100, f"{lost} of {packets} packets lost")


@plan.case(f"{MEGABYTES} MB over TCP from client to LAN, SHA-256 equal [GW-2 CORE-3]", limit=180)
def transfer_up(party):
    rate = traffic.transfer(party.c1, party.lan, topology.LAN_HOST, MEGABYTES, timeout=150)
    print(f"# {rate:.0f} Mbit/s")


@plan.case("the client's large segments are cut in user space: TCP ones by TSO, UDP ones by USO [LIN-5]")
def client_super_frames(party):
    def super_frames():
        return party.clients["c1"].ctl("stats")["port"]["rx_super"]
    before = super_frames()
    traffic.transfer(party.c1, party.lan, topology.LAN_HOST, 5)
    tap.expect(super_frames() > before, "no TCP super-frame came from the TAP")
    ways = [(party.c1, "softlan0", party.lan, "eth0", topology.LAN_HOST)]
    if tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 2):  # before, packet sockets refuse UDP super-frames
        ways.append((party.lan, "eth0", party.c1, "softlan0", party.address["c1"]))
    for sender, sender_if, receiver, receiver_if, target in ways:
        missing = traffic.udp_segments(sender, sender_if, receiver, receiver_if, target)
        tap.expect(not missing, f"UDP segments {missing} from {sender.role} did not arrive whole at {receiver.role}")


@plan.case(f"{MEGABYTES} MB over TCP from LAN to client, SHA-256 equal [GW-2 CORE-3]", limit=180)
def transfer_down(party):
    rate = traffic.transfer(party.lan, party.c1, party.address["c1"], MEGABYTES, timeout=150)
    print(f"# {rate:.0f} Mbit/s")


@plan.case("20 MB over TCP between two clients, SHA-256 equal [RELAY-4]")
def transfer_across(party):
    rate = traffic.transfer(party.c1, party.c2, party.address["c2"], 20)
    print(f"# {rate:.0f} Mbit/s")


@plan.case("an IPX frame (ethertype 0x8137) crosses both ways byte for byte [PROTO-4 GW-2]")
def ipx(party):
    ports = standard.ports(party, "lan", "c1")
    mac = party.c1.mac("softlan0")
    up = [frames.build(frames.BROADCAST, mac, 0x8137, size=300),
          frames.build(topology.LAN_MAC, mac, 0x8137, size=61)]
    down = [frames.build(frames.BROADCAST, topology.LAN_MAC, 0x8137, size=301),
            frames.build(mac, topology.LAN_MAC, 0x8137, size=60)]
    # A Novell "raw" frame: a length in the place of the ethertype, then ff ff.
    raw = frames.build(frames.BROADCAST, mac, 0x0060, payload=b"\xff\xff", size=14 + 0x60)
    try:
        with frames.Recorder(ports, lambda frame: frames.ethertype(frame) in (0x8137, 0x0060)) as recorder:
            for frame in up + [raw]:
                ports["c1"].send(frame)
            for frame in down:
                ports["lan"].send(frame)
            recorder.wait("lan", 3)
            recorder.wait("c1", 2)
        tap.expect_equal(recorder.seen("lan"), up + [raw], "frames seen on the LAN")
        tap.expect_equal(recorder.seen("c1"), down, "frames seen at the client")
    finally:
        for port in ports.values():
            port.close()


@plan.case("softlanctl shows the room and the peers on relay, gateway and client [OPS-3 RELAY-12]")
def softlanctl(party):
    rooms = party.relayd.ctl("rooms")["rooms"]
    tap.expect_equal([room["code"] for room in rooms], ["ROOM1"], "rooms")
    tap.expect_equal(rooms[0]["clients"], 2, "clients in the room")
    tap.expect(rooms[0]["gateway"], "the room has no gateway")
    tap.expect_equal(len(party.relayd.peers()), 3, "peers at the relay")
    for daemon in (party.gateway, *party.clients.values()):
        tap.expect_equal(len(daemon.peers()), 2, f"peers that {daemon.name} knows")
        tap.expect(daemon.status()["connected"], f"{daemon.name} is not connected")
    for verb in ("status", "rooms", "peers", "stats"):
        for daemon in party.daemons:
            tap.expect(daemon.ctl_text(verb).strip(), f"softlanctl {verb} of {daemon.name} prints nothing")


@plan.case("a client that ends takes its TAP along; the others hear of it [RELAY-13 CORE-6 LIN-4]")
def leaving(party):
    party.clients["c2"].stop()
    links = [link["ifname"] for link in party.c2.ip_json("link show")]
    tap.expect("softlan0" not in links, f"softlan0 is still there: {links}")
    for daemon in (party.clients["c1"], party.gateway):
        traffic.eventually(f"{daemon.name} knows one peer", lambda: len(daemon.peers()) == 1, 2)
    traffic.ping(party.c1, topology.LAN_HOST)


if __name__ == "__main__":
    plan.main()
