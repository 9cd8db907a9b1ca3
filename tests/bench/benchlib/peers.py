"""The systems that softlan is compared with: OpenVPN (tap), tinc (switch), fastd (tap). Each with its relay in the
middle, its own way of keeping to the path's MTU, and AES-128, as softlan (tinc 1.0 knows no GCM)."""

import os
import re
import signal

from party import daemons, ns, standard, topology, traffic

from . import wire


class Peer:
    """What the peers share: programs with logs, the gateway's bridge between tunnel and LAN."""

    name = interface = None

    def __init__(self, party):
        self.party = party

    def spawn(self, role, argv):
        return self.party.spawn(role, argv, log=f"{self.name}-{role}.log")

    def log(self, role):
        with open(self.party.path(f"{self.name}-{role}.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def write(self, name, text):
        path = self.party.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def await_log(self, process, role, words, timeout=20):
        """Until the program has said so."""
        def said():
            if process.poll() is not None:
                raise daemons.DaemonFailed(f"{self.name} of {role} has ended: {self.log(role).strip()[-500:]}")
            return re.search(words, self.log(role))
        return traffic.eventually(f"{self.name} of {role} says {words!r}", said, timeout)

    def join_lan(self):
        """The gateway's bridge, and the player's address."""
        self.party.c1.batch([f"link set {self.interface} up"])
        wire.bridge(self.party.gw, "vpnbr", "lan0", self.interface)
        standard.give_address(self.party, "c1", self.interface)


class OpenVpn(Peer):
    """The server is the relay, the gateway is a client with its TAP in a bridge."""

    name, interface = "openvpn", "tap0"
    # Its own choices (a TAP of MTU 1500, TCP's MSS clamped to what the path carries, the system's buffers) with
    # softlan's cipher. In user space, as softlan: --disable-dco.
    common = ("--dev", "tap0", "--dev-type", "tap", "--proto", "udp4", "--tun-mtu", "1500", "--data-ciphers",
              "AES-128-GCM", "--cipher", "AES-128-GCM", "--auth", "SHA256", "--keepalive", "10", "60",
              "--disable-dco")

    def __init__(self, party):
        super().__init__(party)
        path = party.path
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        ns.run(["openssl", "req", "-x509", *key, "-keyout", path("vpn-ca.key"), "-out", path("vpn-ca.crt"),
                "-days", "30", "-subj", "/CN=bench CA"])
        for role, usage in (("relay", "serverAuth"), ("gw", "clientAuth"), ("c1", "clientAuth")):
            self.write("vpn.ext", f"keyUsage=digitalSignature\nextendedKeyUsage={usage}\n")
            ns.run(["openssl", "req", "-new", *key, "-keyout", path(f"vpn-{role}.key"), "-out", path("vpn.csr"),
                    "-subj", f"/CN={role}"])
            ns.run(["openssl", "x509", "-req", "-in", path("vpn.csr"), "-CA", path("vpn-ca.crt"), "-CAkey",
                    path("vpn-ca.key"), "-CAcreateserial", "-days", "30", "-extfile", path("vpn.ext"), "-out",
                    path(f"vpn-{role}.crt")])

    def _run(self, role, options):
        path = self.party.path
        process = self.spawn(role, ["openvpn", *self.common, "--ca", path("vpn-ca.crt"), "--cert",
                                    path(f"vpn-{role}.crt"), "--key", path(f"vpn-{role}.key"), "--verb", "3",
                                    *options])
        self.await_log(process, role, "Initialization Sequence Completed")
        return process

    def start(self):
        server = self._run("relay", ["--mode", "server", "--tls-server", "--dh", "none", "--local", topology.RELAY,
                                     "--port", "1194", "--client-to-client"])
        self.party.relay.batch(["link set tap0 up"])
        client = ["--client", "--nobind", "--remote", topology.RELAY, "1194", "--remote-cert-tls", "server"]
        for role in ("gw", "c1"):
            self._run(role, client)
        self.join_lan()
        return server.pid

    def options(self):
        ciphers = set(re.findall(r"Data Channel: (?:initialized with )?[Cc]ipher '([^']+)'", self.log("c1")))
        return {"version": ns.run(["openvpn", "--version"], check=False).split()[1],
                "cipher": ", ".join(sorted(ciphers)) or "unknown", "mtu": self.party.c1.mtu(self.interface),
                "settings": " ".join(self.common)}


class Tinc(Peer):
    """tinc 1.0 in switch mode; whose hosts say IndirectData reach each other through the relay only."""

    name, interface = "tinc", "tinc0"
    node = "Mode = switch\nInterface = tinc0\nAddressFamily = ipv4\n"
    host = "Cipher = aes-128-cbc\nDigest = sha1\nIndirectData = yes\nCompression = 0\n"

    def __init__(self, party):
        super().__init__(party)
        public = {}
        for role in ("relay", "gw", "c1"):
            home = self.write(f"tinc-{role}/tinc.conf", f"Name = {role}\n{self.node}"
                              + ("" if role == "relay" else "ConnectTo = relay\n"))
            self.write(f"tinc-{role}/hosts/{role}", "")
            ns.run(["tincd", "-c", os.path.dirname(home), "-K2048"], timeout=60)
            with open(party.path(f"tinc-{role}/hosts/{role}"), encoding="ascii") as file:
                public[role] = file.read()
        for role in public:
            for other, key in public.items():
                address = f"Address = {topology.RELAY}\n" if other == "relay" else ""
                self.write(f"tinc-{role}/hosts/{other}", f"{address}{self.host}{key}")

    def start(self):
        running = {}
        for role in ("relay", "gw", "c1"):
            running[role] = self.spawn(role, ["tincd", "-c", self.party.path(f"tinc-{role}"), "-D", "-d2",
                                              f"--pidfile={self.party.path(f'tinc-{role}.pid')}"])
            self.await_log(running[role], role, "Ready" if role == "relay" else "Connection with .* activated")
        self.party.relay.batch([f"link set {self.interface} up"])
        self.join_lan()
        # Until both ends know how much a datagram to the relay holds, large frames go over TCP.
        for role in ("gw", "c1"):
            traffic.eventually(f"tinc of {role} knows its path's MTU", lambda: self._knows_mtu(role, running[role]),
                               timeout=60, step=0.5)
        return running["relay"].pid

    def _knows_mtu(self, role, process):
        self.party.c1.ok(["ping", "-n", "-c1", "-W1", topology.LAN_HOST])  # only a path in use is probed
        process.send_signal(signal.SIGUSR2)  # dumps what it knows of the nodes into its log
        found = re.findall(r" relay at .* pmtu (\d+) \(min (\d+) max (\d+)\)", self.log(role))
        return found and found[-1][0] != "0" and found[-1][1] == found[-1][2]

    def options(self):
        pmtu = re.findall(r" relay at .* (pmtu \d+)", self.log("c1"))
        return {"version": ns.run(["tincd", "--version"]).split()[2],
                "cipher": "aes-128-cbc, sha1", "mtu": self.party.c1.mtu(self.interface),
                "settings": f"{self.node}{self.host}".strip().replace("\n", "; ") + f" ({pmtu[-1]})"}


class Fastd(Peer):
    """fastd in tap mode; the relay forwards between its peers by their MACs."""

    name, interface = "fastd", "fastd0"
    common = 'mode tap; interface "fastd0"; method "aes128-gcm"; mtu 1434;'
    port = 10000

    def __init__(self, party):
        super().__init__(party)
        self.keys = {}
        for role in ("relay", "gw", "c1"):
            text = ns.run(["fastd", "--generate-key"])
            self.keys[role] = (re.search(r"Secret: (\w+)", text).group(1), re.search(r"Public: (\w+)", text).group(1))

    def _run(self, role, options, peers):
        lines = [self.common, options, f'secret "{self.keys[role][0]}";', "log level verbose;"]
        lines += [f'peer "{peer}" {{ key "{self.keys[peer][1]}"; {more} }}' for peer, more in peers.items()]
        config = self.write(f"fastd-{role}.conf", "\n".join(lines) + "\n")
        return self.spawn(role, ["fastd", "--config", config])

    def start(self):
        relay = self._run("relay", f"bind {topology.RELAY}:{self.port}; forward yes;", {"gw": "", "c1": ""})
        for role in ("gw", "c1"):
            process = self._run(role, "", {"relay": f"remote {topology.RELAY}:{self.port};"})
            self.await_log(process, role, "connection with <relay> established")
        self.party.relay.batch([f"link set {self.interface} up"])
        self.join_lan()
        return relay.pid

    def options(self):
        used = re.findall(r"new session with <relay> established using method `([^']+)'", self.log("c1"))
        return {"version": ns.run(["fastd", "--version"]).split()[1], "cipher": ", ".join(sorted(set(used))),
                "mtu": self.party.c1.mtu(self.interface), "settings": f"{self.common} relay: forward yes;"}
