"""Real traffic with real tools: DHCP clients, ping, iperf3, checksummed TCP, UDP broadcasts."""

import hashlib
import json
import math
import os
import re
import socket
import struct
import threading
import time

from . import ns, topology

SO_BINDTODEVICE = 25
UDP_SEGMENT = 103  # udp(7)


def eventually(what, test, timeout=5.0, step=0.05, watch=None):
    """Polls until test() is true and returns its value; TimeoutError says what did not happen."""
    end = time.monotonic() + timeout
    while True:
        value = test()
        if value:
            return value
        if watch:
            watch()
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(step)


def lease(party, role, interface="softlan0", default_route=False, client="udhcpc", timeout=20):
    """Gets a lease with a real DHCP client and returns the address that the interface has then."""
    env = dict(os.environ, PARTY_DEFAULT_ROUTE="1" if default_route else "")
    script = party.path("dhcp-script")
    space = party.spaces[role]
    if client == "udhcpc":
        # One packet a second, ten tries, leave once bound.
        space.run(["udhcpc", "-i", interface, "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", script],
                  timeout=timeout, env=env)
    else:
        # In the foreground, and ended once it has set the address: the lease need not be renewed here.
        process = party.spawn(role, ["dhclient", "-d", "-1", "-4", "-sf", script, "-lf",
                                     party.path(f"{role}.dhclient-leases"), "-pf", party.path(f"{role}.dhclient-pid"),
                                     "-e", f"PARTY_DEFAULT_ROUTE={env['PARTY_DEFAULT_ROUTE']}", interface],
                              log=f"{role}.dhclient-log")
        try:
            eventually(f"{role} has an address by dhclient", lambda: any(
                one.startswith("10.77.0.") for one in space.addresses(interface)), timeout)
        finally:
            party.end(process)
    for address in space.addresses(interface):
        if address.startswith("10.77.0."):
            return address
    raise ns.CommandFailed(f"{role}: {client} ended well, but {interface} has no address of {topology.LAN_SUBNET}")


def ping(space, target, count=3, interval=0.2, deadline=10, size=56, more=()):
    """Pings; returns the mean round trip in ms. CommandFailed unless every answer came."""
    output = space.run(["ping", "-n", "-c", str(count), "-i", str(interval), "-W", "2", "-w", str(deadline),
                        "-s", str(size), *more, target], timeout=deadline + 5, check=False)
    received = re.search(r"(\d+) received", output)
    if not received or int(received.group(1)) < count:
        summary = [line for line in output.splitlines() if "packets transmitted" in line] or [output.strip()[-300:]]
        raise ns.CommandFailed(f"{space.role}: ping {target}: {summary[0]}")
    times = re.search(r"= [\d.]+/([\d.]+)/", output)  # not there below 16 bytes of payload
    return float(times.group(1)) if times else 0.0


def ping_times(space, target, count, interval=0.02, size=56):
    """Pings at a steady pace; returns the round trips in ms by sequence number: what is missing was lost."""
    output = space.run(["ping", "-n", "-c", str(count), "-i", str(interval), "-W", "1", "-s", str(size), target],
                       timeout=count * interval + 20, check=False)
    return {int(number): float(time) for number, time in re.findall(r"icmp_seq=(\d+) .*time=([\d.]+) ms", output)}


def percentile(values, share):
    """The smallest of the values that `share` (0 to 1) of them do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def iperf(party, server, client, target, seconds=3, udp_rate=None, reverse=False, length=None, more=(), port=5201):
    """One iperf3 run from `client` to `server` (roles); returns iperf3's JSON `end`."""
    argv = ["iperf3", "-s", "-1", "-p", str(port)]
    process = party.spawn(server, argv)
    try:
        space = party.spaces[server]
        eventually("iperf3 server listens", lambda: space.listens(port))
        argv = ["iperf3", "-J", "-c", target, "-p", str(port), "-t", str(seconds), *more]
        if udp_rate:
            argv += ["-u", "-b", udp_rate]
        if length:
            argv += ["-l", str(length)]
        if reverse:
            argv.append("-R")
        result = json.loads(party.spaces[client].run(argv, timeout=seconds + 30))
    finally:
        party.end(process)
    if "error" in result:
        raise ns.CommandFailed(f"iperf3 {client} -> {server}: {result['error']}")
    return result["end"]


def transfer(sender, receiver, address, megabytes, port=7000, timeout=120):
    """Sends that many MB over TCP between two namespaces and compares SHA-256 at both ends.
    Returns the rate in Mbit/s."""
    listener = receiver.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(1)
    listener.settimeout(timeout)
    got = {"hash": hashlib.sha256(), "bytes": 0}

    def receive():
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(timeout)
            buffer = bytearray(1 << 18)
            while count := connection.recv_into(buffer):
                got["hash"].update(memoryview(buffer)[:count])
                got["bytes"] += count

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    sent = hashlib.sha256()
    block = bytearray(os.urandom(1_000_000))
    start = time.monotonic()
    with listener, sender.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect((address, port))
        for number in range(megabytes):
            struct.pack_into("!Q", block, 0, number)
            sent.update(block)
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        thread.join(timeout)
    seconds = time.monotonic() - start
    if got["bytes"] != megabytes * 1_000_000:
        raise ns.CommandFailed(f"{got['bytes']} bytes of {megabytes} MB arrived at {receiver.role} in {seconds:.0f} s")
    if got["hash"].digest() != sent.digest():
        raise ns.CommandFailed(f"{megabytes} MB arrived at {receiver.role} with another SHA-256: corrupted")
    return megabytes * 8 / seconds


def udp_socket(space, interface, address="", port=0, group=None):
    """A UDP socket bound to an interface, ready for broadcast and (with `group`) multicast."""
    with space.entered():
        index = socket.if_nametoindex(interface)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, interface.encode() + b"\0")
    member = struct.pack("@4s4si", socket.inet_aton(group or "0.0.0.0"), b"\0\0\0\0", index)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
    if group:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    sock.bind((address, port))
    return sock


def udp_reaches(sender, sender_if, receivers, target, port=27015, timeout=3, source=""):
    """Sends one datagram to `target` (a broadcast or group address) and waits until all receivers,
    given as (Namespace, interface), have it. Returns the roles that did not get it."""
    group = target if target.startswith("239.") else None
    text = os.urandom(16) + b"who plays?"
    socks = {space.role: udp_socket(space, interface, "", port, group) for space, interface in receivers}
    out = udp_socket(sender, sender_if, source, 0)
    missing = set(socks)
    try:
        out.sendto(text, (target, port))
        end = time.monotonic() + timeout
        while missing and time.monotonic() < end:
            for role in list(missing):
                socks[role].settimeout(0.02)
                try:
                    if socks[role].recv(2048) == text:
                        missing.discard(role)
                except TimeoutError:
                    pass
    finally:
        out.close()
        for sock in socks.values():
            sock.close()
    return missing


def udp_segments(sender, sender_if, receiver, receiver_if, target, port=27016, count=20, size=1000, timeout=3):
    """Sends one UDP super-frame (UDP_SEGMENT, as QUIC programs do) of `count` datagrams of `size` bytes, the last
    one shorter. Returns the numbers of those that did not arrive as they were sent, once and in order."""
    wanted = [bytes([number]) + os.urandom(size - 1) for number in range(count)]
    wanted[-1] = wanted[-1][:size // 3]
    got = []
    into, out = udp_socket(receiver, receiver_if, "", port), udp_socket(sender, sender_if)
    try:
        out.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        out.sendto(b"".join(wanted), (target, port))
        into.settimeout(timeout)
        while len(got) < count:
            got.append(into.recv(2048))
    except TimeoutError:
        pass
    finally:
        into.close()
        out.close()
    return [number for number, one in enumerate(wanted) if got[number:number + 1] != [one]]
