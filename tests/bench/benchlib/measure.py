"""One TCP stream, and pings: idle, and beside a stream. All from the player's namespace to the LAN host and back."""

import contextlib
import os
import statistics
import time

from party import topology, traffic

PING_EVERY = 0.02  # seconds; at 10 ms and less, ping(8) does not sleep but spins, on a core that the systems need
IDLE_PINGS, LOADED_PINGS = 200, 500
PACED = 0.8  # of a system's own rate
RAMP_UP = 1.0  # seconds from a stream's start to the first ping beside it
WAYS = ("up", "down")  # player to LAN, LAN to player
PORT = 5201


def cpu_seconds(pid):
    """A process's time on the CPU so far, from the scheduler's own count in ns."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def busy(seconds):
    """Waits, and says how busy the machine is meanwhile: per cent of all its CPUs. Hardly at all, or something else
    runs on it."""
    def ticks():
        with open("/proc/stat", encoding="ascii") as file:
            figures = [int(word) for word in file.readline().split()[1:9]]
        return sum(figures), figures[3] + figures[4]  # idle, iowait
    before = ticks()
    time.sleep(seconds)
    total, idling = (now - then for now, then in zip(ticks(), before))
    return 100 * (1 - idling / max(total, 1))


def tcp(party, pid, seconds, way):
    """One TCP stream: Mbit/s, its retransmissions, and the relay's CPU seconds per GB (where the relay is a
    process)."""
    before = cpu_seconds(pid) if pid else 0
    end = traffic.iperf(party, "lan", "c1", topology.LAN_HOST, seconds=seconds, reverse=way == "down")
    used = cpu_seconds(pid) - before if pid else 0
    received = end["sum_received"]
    result = {f"tcp_{way}_mbit": received["bits_per_second"] / 1e6, f"tcp_{way}_retransmits":
              end["sum_sent"].get("retransmits", 0)}
    if pid:
        result[f"relay_{way}_s_per_gb"] = used / (received["bytes"] / 1e9)
    return result


def summary(times, count, name):
    """Round trips in ms by number, as `ping_times` gives them, in us: median, 99 % of what came back, lost."""
    if not times:
        return {f"{name}_lost": count}
    us = [value * 1000 for value in times.values()]
    return {f"{name}_p50_us": statistics.median(us), f"{name}_p99_us": traffic.percentile(us, 0.99),
            f"{name}_lost": count - len(times)}


def idle(party, count=IDLE_PINGS):
    return summary(traffic.ping_times(party.c1, topology.LAN_HOST, count, PING_EVERY), count, "idle")


def _arrived(party, interface, way):
    """Bytes that came in at the receiving end's interface so far."""
    space, name = (party.lan, "eth0") if way == "up" else (party.c1, interface)
    line = next(one for one in space.proc_net("dev").splitlines() if one.lstrip().startswith(f"{name}:"))
    return int(line.split(":")[1].split()[0])


@contextlib.contextmanager
def stream(party, way, mbit=None):
    """A TCP stream for as long as the block runs, at full rate or paced."""
    server = party.spawn("lan", ["iperf3", "-s", "-1", "-p", str(PORT)])
    client = None
    try:
        traffic.eventually("iperf3 listens", lambda: party.lan.listens(PORT))
        argv = ["iperf3", "-c", topology.LAN_HOST, "-p", str(PORT), "-t", "120"]
        argv += ["-R"] if way == "down" else []
        argv += ["-b", f"{int(mbit * 1e6)}"] if mbit else []
        client = party.spawn("c1", argv, log="stream.log")
        time.sleep(RAMP_UP)
        if client.poll() is not None:
            with open(party.path("stream.log"), encoding="utf-8") as file:
                raise ChildProcessError(f"the stream has ended: {file.read().strip()[-300:]}")
        yield
    finally:
        if client:
            party.end(client)
        party.end(server)


def loaded(party, interface, way, mbit=None, count=LOADED_PINGS):
    """Pings beside a stream, which is paced to `mbit` if given; with what the stream carried meanwhile (frames'
    bytes)."""
    name = f"{'paced' if mbit else 'full'}_{way}"
    with stream(party, way, mbit):
        before, begin = _arrived(party, interface, way), time.monotonic()
        times = traffic.ping_times(party.c1, topology.LAN_HOST, count, PING_EVERY)
        carried = (_arrived(party, interface, way) - before) * 8e-6 / (time.monotonic() - begin)
    return {**summary(times, count, name), f"{name}_stream_mbit": carried}


def ready(party):
    """The tunnel carries pings."""
    traffic.eventually("the LAN answers", lambda: party.c1.ok(["ping", "-n", "-c1", "-W1", topology.LAN_HOST]), 20)
