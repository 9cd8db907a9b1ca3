"""The party: a LAN with its DHCP server and switch, a gateway box, an internet, a relay, two homes.

    lan ---- switch ---- gw ---- inet ---- relay
                                  |  |
                                 c1  c2

    lan     10.77.0.1/24, fd77::1/64  the party's host: DHCP, router advertisements, iperf3
    gw      lan0 (no address) on the switch; wan0 198.51.100.2 to the internet
    relay   203.0.113.10, 2001:db8:113::10
    c1, c2  192.168.71.2 and 192.168.72.2 at home, default route into the internet
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time

from . import ns

LAN_SUBNET = "10.77.0.0/24"
LAN_HOST = "10.77.0.1"
LAN_BROADCAST = "10.77.0.255"
LAN_HOST6 = "fd77::1"
LAN_MAC = "00:16:3e:77:00:01"
GW_MAC = "00:16:3e:77:00:02"
RELAY = "203.0.113.10"
RELAY6 = "2001:db8:113::10"
HOMES = {"c1": "192.168.71", "c2": "192.168.72"}
HOMES6 = {"c1": "2001:db8:71:", "c2": "2001:db8:72:"}
ROLES = ("inet", "relay", "gw", "switch", "lan", "c1", "c2")

DNSMASQ = """\
port=0
interface=eth0
bind-interfaces
dhcp-authoritative
no-ping
dhcp-range=10.77.0.100,10.77.0.199,255.255.255.0,1h
enable-ra
ra-param=eth0,10,600
user=root
group=root
"""

DHCP_SCRIPT = """\
#!/bin/sh
# What udhcpc and dhclient call with a lease: sets the address, and the default route if asked to.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
case "${1:-$reason}" in
bound | renew | BOUND | RENEW | REBIND | REBOOT)
	ip address replace "${ip:-$new_ip_address}/${mask:-24}" dev "$interface"
	router="${router:-$new_routers}"
	if [ -n "$PARTY_DEFAULT_ROUTE" ] && [ -n "$router" ]; then
		ip route add default via "${router%% *}" dev "$interface" metric 50
	fi
	;;
BOUND6 | RENEW6 | REBIND6)
	ip -6 address replace "$new_ip6_address/$new_ip6_prefixlen" dev "$interface"
	;;
esac
exit 0
"""


def _veth(near, near_if, far, far_if, mac=None):
    address = f" address {mac}" if mac else ""
    return (f"link add name {near_if}{address} netns {near.name} type veth "
            f"peer name {far_if} netns {far.name}")


class Party:
    """All namespaces, and every program started in them. close() ends and removes everything."""

    def __init__(self, prefix=None, keep=False, directory=None):
        if prefix is None:
            ns.sweep("slt")
            prefix = f"slt{os.getpid()}-"
        self.prefix = prefix
        self.keep = keep
        self.owns_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="softlan-party-")
        self.spaces = {}
        self.daemons = []
        self.processes = []
        self.endings = []  # functions that close() calls once all programs have ended
        self.dnsmasq = None
        self.clients = {}  # daemons by role, and their addresses: who starts them fills these in
        self.address = {}
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def __getattr__(self, role):
        try:
            return self.__dict__["spaces"][role]
        except KeyError:
            raise AttributeError(role) from None

    def _build(self):
        for role in ROLES:
            self.spaces[role] = ns.Namespace(role, self.prefix + role, self.keep)
        inet, relay, gw, switch, lan = (self.spaces[role] for role in ROLES[:5])
        lines = [
            _veth(relay, "eth0", inet, "relay"),
            _veth(gw, "wan0", inet, "gw"),
            _veth(lan, "eth0", switch, "lan", LAN_MAC),
            _veth(gw, "lan0", switch, "gw", GW_MAC),
        ] + [_veth(self.spaces[home], "eth0", inet, home) for home in HOMES]
        ns.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")

        inet.sysctl("ipv4/ip_forward", 1)
        inet.sysctl("ipv6/conf/all/forwarding", 1)
        uplinks = {"relay": ("203.0.113.1/24", "2001:db8:113::1/64"),
                   "gw": ("198.51.100.1/24", "2001:db8:100::1/64")}
        for home in HOMES:
            uplinks[home] = (f"{HOMES[home]}.1/24", f"{HOMES6[home]}:1/64")
        inet.batch([line for name, (four, six) in uplinks.items() for line in (
            f"link set {name} up", f"address add {four} dev {name}", f"address add {six} dev {name} nodad")])
        relay.batch(_host("eth0", f"{RELAY}/24", "203.0.113.1", f"{RELAY6}/64", "2001:db8:113::1"))
        gw.sysctl("ipv6/conf/lan0/disable_ipv6", 1)
        gw.batch(_host("wan0", "198.51.100.2/24", "198.51.100.1", "2001:db8:100::2/64", "2001:db8:100::1")
                 + ["link set lan0 up"])
        switch.sysctl("ipv6/conf/all/disable_ipv6", 1)
        switch.batch(["link add br0 type bridge mcast_snooping 0 forward_delay 0 stp_state 0",
                      "link set lan master br0 up", "link set gw master br0 up", "link set br0 up"])
        lan.batch(["link set eth0 up", f"address add {LAN_HOST}/24 broadcast + dev eth0",
                   f"address add {LAN_HOST6}/64 dev eth0 nodad"])
        for home, net in HOMES.items():
            self.spaces[home].batch(_host("eth0", f"{net}.2/24", f"{net}.1", f"{HOMES6[home]}:2/64",
                                          f"{HOMES6[home]}:1"))
        script = self.path("dhcp-script")
        with open(script, "w", encoding="ascii") as file:
            file.write(DHCP_SCRIPT)
        os.chmod(script, 0o755)
        self._await_switch()

    def _await_switch(self, timeout=5):
        """Until the switch forwards between its ports: the kernel tells a bridge of a port's carrier up to a second
        late (linkwatch), and what comes before that is lost."""
        end = time.monotonic() + timeout
        while any(port["linkinfo"]["info_slave_data"]["state"] != "forwarding"
                  for port in self.switch.ip_json("-details link show master br0")):
            if time.monotonic() > end:
                raise TimeoutError(f"the switch does not forward after {timeout} s")
            time.sleep(0.02)

    def plug_lan(self, plugged):
        """The LAN host's cable, into the switch or out of it."""
        self.switch.batch([f"link set lan {'up' if plugged else 'down'}"])
        if plugged:
            self._await_switch()

    def path(self, name):
        return os.path.join(self.directory, name)

    # --- programs ---

    def spawn(self, role, argv, log=None, **options):
        """A program in the background: ended by close(). Its output goes to the file LOG."""
        if log:
            options["stdout"] = open(self.path(log), "ab")
            options.setdefault("stderr", subprocess.STDOUT)
        else:
            options.setdefault("stdout", subprocess.DEVNULL)
            options.setdefault("stderr", subprocess.DEVNULL)
        process = self.spaces[role].popen(argv, **options)
        self.processes.append(process)
        return process

    def start_dhcp(self, range6="fd77::,ra-only", options=""):
        """The LAN's dnsmasq: DHCP, router advertisements, and DHCPv6 where `range6` gives it addresses. `options`: more
        lines of its file."""
        config = self.path("dnsmasq.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"{DNSMASQ}dhcp-range={range6}\ndhcp-leasefile={self.path('leases')}\n{options}")
        self.dnsmasq = self.spawn("lan", ["dnsmasq", "--keep-in-foreground", f"--conf-file={config}",
                                          f"--pid-file={self.path('dnsmasq.pid')}", "--log-facility=-"],
                                  log="dnsmasq.log")

    def leases(self):
        """The lease file: {MAC: address}."""
        try:
            with open(self.path("leases"), encoding="ascii") as file:
                rows = [line.split() for line in file]
        except FileNotFoundError:
            return {}
        return {row[1].lower(): row[2] for row in rows if len(row) >= 5}

    def end(self, process, timeout=3):
        """Ends one program that spawn() started: TERM, then KILL."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process in self.processes:
            self.processes.remove(process)
        if process.stdout:
            process.stdout.close()

    def close(self):
        """Ends what still runs and removes everything. Nothing interrupts it, nothing makes it fail."""
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
        for process in [daemon.process for daemon in self.daemons if daemon.process] + self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for daemon in self.daemons:
            daemon.close()
        for ending in self.endings:
            ending()
        self.daemons, self.processes, self.endings = [], [], []
        for space in self.spaces.values():
            space.remove()
        self.spaces = {}
        if self.owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        for number, handler in before.items():
            signal.signal(number, handler)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _host(interface, four, router4, six, router6):
    return [f"link set {interface} up", f"address add {four} broadcast + dev {interface}",
            f"address add {six} dev {interface} nodad", f"route add default via {router4}",
            f"route add default via {router6}"]
