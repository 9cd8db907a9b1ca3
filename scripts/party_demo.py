#!/usr/bin/python3 -B
"""The engine of scripts/demo: see there."""

import contextlib
import os
import re
import shutil
import signal
import sys
import time

from party import daemons, frames, ns, topology, traffic

NAME = os.environ.get("SOFTLAN_DEMO_NAME") or "softlan"
KEEP_DIRECTORY = f"/run/{NAME}-demo"
KEEP_PREFIX = f"{NAME}-"
MEGABYTES = 100
PICTURE = """
LAN host --- switch --- gateway ---+
                                   +--- internet --- relay
c1, c2 (two players at home) ------+
"""


class Interrupted(BaseException):
    """Ctrl-C, TERM or HUP."""


class Screen:
    """Steps with a tick and their time; colours and a moving line only on a terminal."""

    def __init__(self):
        self.live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        colour = self.live and "NO_COLOR" not in os.environ
        self.green, self.red, self.dim, self.bold, self.plain = (
            ("\033[32m", "\033[31m", "\033[2m", "\033[1m", "\033[0m") if colour else ("",) * 5)
        locale = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "")
        unicode = "utf-8" in locale.lower() or "utf8" in locale.lower()
        self.tick, self.cross, self.dots = ("✓", "✗", "…") if unicode else ("ok", "FAILED", "..")
        sys.stdout.reconfigure(errors="replace")
        self.began = time.monotonic()

    def title(self, text):
        print(f"\n{self.bold}{text}{self.plain}", flush=True)

    def start(self, text):
        if self.live:
            print(f"{self.dim}{self.dots} {text}{self.plain}", end="", flush=True)

    def _line(self, mark, colour, text, seconds):
        erase = "\r\033[K" if self.live else ""
        print(f"{erase}{colour}{mark}{self.plain} {text} {self.dim}({seconds:.2f} s){self.plain}", flush=True)

    def done(self, text, seconds):
        self._line(self.tick, self.green, text, seconds)

    def failed(self, text, seconds):
        self._line(self.cross, self.red, text, seconds)

    def block(self, text):
        for line in text.rstrip().splitlines():
            print(f"    {line}")
        sys.stdout.flush()


def who(role):
    """What the demo's lines call the one that plays this role."""
    return "the LAN host" if role == "lan" else role


class Demo:
    """The steps, in their order. Each returns what its line says in the end."""

    def __init__(self, screen, party):
        self.screen, self.party = screen, party
        self.relay = daemons.make_relay(party)
        self.gateway = daemons.make_gateway(party)
        self.clients = {role: daemons.make_client(party, role) for role in topology.HOMES}
        self.addresses = {}

    def check(self):
        """Everything that was started still runs?"""
        for daemon in self.party.daemons:
            if daemon.process is not None:
                daemon.check()
        if self.party.dnsmasq is not None and self.party.dnsmasq.poll() is not None:
            raise daemons.DaemonFailed("dnsmasq is gone: its last lines are above")

    def step(self, text, function, *args):
        self.screen.start(text)
        start = time.monotonic()
        try:
            self.check()
            said = function(*args)
            self.check()
        except Exception:
            self.screen.failed(text, time.monotonic() - start)
            self.check()  # a daemon that is gone is the better reason
            raise
        self.screen.done(said or text, time.monotonic() - start)

    def show(self, daemon, *words):
        self.screen.block(f"$ softlanctl {' '.join(words)}\n{daemon.ctl_text(*words)}")

    def run(self):
        both = tuple(self.clients)
        self.screen.title("The LAN and the relay")
        self.step("the party's DHCP server starts", self.dhcp_server)
        self.step("the relay starts", self.relay_up)
        self.step("the gateway joins", self.gateway_joins)
        self.screen.title("Two players at home, c1 and c2")
        for role in both:
            self.step(f"{role} joins", self.client_joins, role)
            self.step(f"{role} asks for an address", self.lease, role)
        self.screen.title("One network")
        for role in both:
            self.step(f"ping from {role} to the LAN", self.ping, role, topology.LAN_HOST, "the LAN host")
        self.step("ping from the LAN to c1", self.ping, "lan", self.addresses["c1"], "c1")
        self.step("ping from c1 to c2", self.ping, "c1", self.addresses["c2"], "c2")
        self.step("IPv6 from the LAN's router advertisement", self.ipv6)
        self.step("a broadcast from c1", self.broadcast, "c1", ("lan", "c2"))
        self.step("a broadcast from the LAN", self.broadcast, "lan", ("c1", "c2"))
        self.step("an IPX frame from c1 to the LAN", self.ipx)
        self.step("a TCP transfer from c1 to the LAN", self.transfer, "c1", "lan", topology.LAN_HOST)
        self.step("a TCP transfer from the LAN to c1", self.transfer, "lan", "c1", self.addresses["c1"])
        self.screen.title("What the relay says")
        self.show(self.relay, "rooms")
        self.show(self.relay, "peers")
        if self.relay.counters()["drops"].get("egress_full"):
            self.screen.block("egress_full: a queue was full, so that TCP slows down, as at any router. "
                              "TCP sent it again.")

    # --- the steps ---

    def interface(self, role):
        return "eth0" if role == "lan" else self.clients[role].tap

    def dhcp_server(self):
        self.party.start_dhcp()
        self.wait("dnsmasq serves", lambda: ":0043 " in self.party.lan.proc_net("udp"))
        return f"the party's DHCP server is up: dnsmasq on {topology.LAN_SUBNET}"

    def relay_up(self):
        self.relay.start()
        return f"the relay is up: {self.relay.settings['listen']} (UDP)"

    def gateway_joins(self):
        self.gateway.start()
        self.wait("the gateway is connected", self.gateway.connected)
        return f"the gateway joined room ROOM1 with the LAN on lan0, peer {self.gateway.status()['peer_id']}"

    def client_joins(self, role):
        client = self.clients[role].start()
        self.wait(f"{role} is connected", client.connected)
        space = self.party.spaces[role]
        return (f"{role} joined as peer {client.status()['peer_id']}: interface {client.tap}, "
                f"MAC {space.mac(client.tap)}, MTU {space.mtu(client.tap)}")

    def lease(self, role):
        address = traffic.lease(self.party, role)
        mac = self.party.spaces[role].mac(self.clients[role].tap)
        # dnsmasq writes its file anew each time: it may be read half written.
        self.wait(f"dnsmasq's lease file lists {address} for {mac}", lambda: self.party.leases().get(mac) == address, 3)
        self.addresses[role] = address
        return f"{role} leased {address} from the party's dnsmasq through the tunnel"

    def ping(self, role, target, name):
        rtt = traffic.ping(self.party.spaces[role], target, deadline=5)
        return f"{who(role)} pings {name} ({target}): {rtt:.2f} ms"

    def ipv6(self):
        space = self.party.c1
        found = self.wait("c1 has an IPv6 address", lambda: [
            one for one in space.addresses(self.clients["c1"].tap, 6) if one.startswith("fd77:")], 15)
        rtt = traffic.ping(space, topology.LAN_HOST6)
        return f"c1 made {found[0]} from the LAN's router advertisement and pings {topology.LAN_HOST6}: {rtt:.2f} ms"

    def broadcast(self, role, others):
        receivers = [(self.party.spaces[other], self.interface(other)) for other in others]
        missing = traffic.udp_reaches(self.party.spaces[role], self.interface(role), receivers, "255.255.255.255",
                                      source=self.addresses.get(role, topology.LAN_HOST))
        if missing:
            raise ns.CommandFailed(f"a broadcast from {role} was not seen at {', '.join(sorted(missing))}")
        heard = " and ".join(map(who, others))
        return f"{who(role)} asks \"who plays?\" (UDP to 255.255.255.255): heard by {heard}"

    def ipx(self):
        near = frames.Port(self.party.c1, self.clients["c1"].tap)
        far = frames.Port(self.party.lan, "eth0")
        try:
            frame = frames.build(frames.BROADCAST, self.party.c1.mac(self.clients["c1"].tap), 0x8137, size=128)
            with frames.Recorder({"lan": far}, lambda one: one == frame) as recorder:
                near.send(frame)
                if not recorder.wait("lan", 1):
                    raise ns.CommandFailed("the LAN did not see it")
        finally:
            near.close()
            far.close()
        return "an IPX frame (ethertype 0x8137) from c1 arrives on the LAN byte for byte"

    def transfer(self, sender, receiver, address):
        rate = traffic.transfer(self.party.spaces[sender], self.party.spaces[receiver], address, MEGABYTES)
        return (f"{MEGABYTES} MB over TCP from {who(sender)} to {who(receiver)}: "
                f"{rate:.0f} Mbit/s, SHA-256 equal")

    def wait(self, what, test, timeout=10):
        return traffic.eventually(what, test, timeout, watch=self.check)

    def end(self):
        for daemon in [*self.clients.values(), self.gateway, self.relay]:
            daemon.stop()
        return "clients, gateway and relay ended in order"


# --- a party that stays ---

def _start_time(pid):
    """When the process began, in clock ticks: tells it from a later one with the same id."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except FileNotFoundError:
        return None


def _remember(party):
    processes = [daemon.process for daemon in party.daemons] + party.processes
    with open(os.path.join(KEEP_DIRECTORY, "pids"), "w", encoding="ascii") as file:
        file.writelines(f"{one.pid} {_start_time(one.pid)}\n" for one in processes if one.poll() is None)


def clean():
    """Ends what --keep has left. Says False when there was nothing."""
    path = os.path.join(KEEP_DIRECTORY, "pids")
    names = [f"{KEEP_PREFIX}{role}" for role in topology.ROLES if os.path.exists(f"{ns.NETNS}/{KEEP_PREFIX}{role}")]
    if not os.path.exists(KEEP_DIRECTORY) and not names:
        return False
    pids = []
    if os.path.exists(path):
        with open(path, encoding="ascii") as file:
            pids = [(int(pid), began) for pid, began in (line.split() for line in file)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid, began in pids:
            with contextlib.suppress(ProcessLookupError):  # it may end between the look and the signal
                if _start_time(pid) == began:
                    os.kill(pid, number)
        end = time.monotonic() + 3
        while time.monotonic() < end and any(_start_time(pid) == began for pid, began in pids):
            time.sleep(0.05)
    for name in names:
        ns.run(["ip", "netns", "del", name], check=False)
    shutil.rmtree(KEEP_DIRECTORY, ignore_errors=True)
    return True


def look_around(screen, demo):
    """Says what can be done with a party that stays."""
    name = {role: space.name for role, space in demo.party.spaces.items()}
    ctl = f"{daemons.build_directory()}/softlanctl"
    hints = (
        (f"ip netns exec {name['c1']} ping {topology.LAN_HOST}", "a player pings the LAN"),
        (f"ip netns exec {name['c1']} ip address show {demo.clients['c1'].tap}", "the player's interface"),
        (f"ip netns exec {name['lan']} tcpdump -ni eth0", "what the LAN sees"),
        (f"ip netns exec {name['inet']} tcpdump -ni relay", "what the internet sees: QUIC"),
        (f"ip netns exec {name['lan']} iperf3 -s", "and in another terminal:"),
        (f"ip netns exec {name['c1']} iperf3 -c {topology.LAN_HOST}", "how fast it is"),
        (f"{ctl} -s {demo.relay.control} peers", "who is there"),
        (f"{ctl} -s {demo.clients['c1'].control} status", "how the player is doing"),
        (f"tail -f {KEEP_DIRECTORY}/*.log", "what the daemons say"),
        (f"{'' if NAME == 'softlan' else f'SOFTLAN_DEMO_NAME={NAME} '}scripts/demo --clean", "the end of the party"),
    )
    width = max(len(command) for command, _ in hints)
    screen.title("The party goes on. Look around:")
    screen.block("\n".join(f"{command:{width}}  {screen.dim}# {text}{screen.plain}" for command, text in hints))


def _interrupt(number, _):
    raise Interrupted(signal.Signals(number).name)


def _logs(party):
    logs = [(daemon.name, daemon.tail()) for daemon in party.daemons]
    try:
        with open(party.path("dnsmasq.log"), encoding="utf-8", errors="replace") as file:
            logs.append(("dnsmasq", file.read().splitlines()[-4:]))
    except FileNotFoundError:
        pass
    for name, lines in logs:
        for line in lines:
            print(f"    {name}| {line}", file=sys.stderr)


def main():
    """Runs the demo; the exit code says whether every step worked."""
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    screen = Screen()
    if not re.fullmatch(r"[a-z][a-z0-9]{0,20}", NAME):
        print(f"demo: SOFTLAN_DEMO_NAME {NAME!r}: give it up to 21 lower-case letters and digits, a letter first",
              file=sys.stderr)
        return 2
    if mode == "--clean":
        print("the party has ended" if clean() else "there is no party to end")
        return 0
    if reason := ns.unusable():
        print(f"demo: {reason}", file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    keep = mode == "--keep"
    if keep:
        if os.path.exists(KEEP_DIRECTORY):
            print(f"demo: a party is still running (its files are in {KEEP_DIRECTORY}): end it with "
                  "scripts/demo --clean", file=sys.stderr)
            return 1
        os.mkdir(KEEP_DIRECTORY, 0o700)
    party, kept = None, False
    try:
        for name in ("softlan-relay", "softlan-gateway", "softlan-client", "softlanctl"):
            daemons.program(name)
        start = time.monotonic()
        party = topology.Party(KEEP_PREFIX if keep else None, keep, KEEP_DIRECTORY if keep else None)
        screen.done("namespaces: a LAN with its switch, a gateway box, an internet, a relay, two homes",
                    time.monotonic() - start)
        screen.block(PICTURE.strip("\n"))
        demo = Demo(screen, party)
        demo.run()
        if keep:
            _remember(party)
            look_around(screen, demo)
            kept = True
            return 0
        screen.title("The end")
        demo.step("everybody leaves", demo.end)
        screen.done(f"{screen.bold}the LAN party works{screen.plain}", time.monotonic() - screen.began)
        return 0
    except Interrupted as error:
        print(f"\ndemo: stopped by {error}, cleaning up", file=sys.stderr)
        return 130
    except Exception as error:  # whatever it is: the logs, the reason last, and not zero
        if party:
            _logs(party)
        print(f"demo: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    finally:
        if party and not kept:
            party.close()
        if keep and not kept:
            shutil.rmtree(KEEP_DIRECTORY, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
