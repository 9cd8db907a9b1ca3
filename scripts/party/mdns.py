"""Real mDNS responders: an avahi-daemon in a namespace, asked by its own text protocol."""

import os
import shutil
import socket

from . import ns, traffic

RUN = "/run/avahi-daemon"  # compiled in: its pid file and its socket


class Avahi:
    """One avahi-daemon on one interface, with a host name of its own. No D-Bus, no service files, no chroot."""

    def __init__(self, party, role, interface, name, family):
        self.party, self.role, self.name = party, role, name
        self.config = party.path(f"avahi-{name}.conf")
        with open(self.config, "w", encoding="ascii") as file:
            file.write(f"[server]\nhost-name={name}\nallow-interfaces={interface}\nenable-dbus=no\n"
                       f"use-ipv4={'yes' if family == 4 else 'no'}\nuse-ipv6={'yes' if family == 6 else 'no'}\n"
                       "[publish]\npublish-workstation=no\npublish-hinfo=no\n"
                       # An address of the family that is spoken; avahi publishes the other one as well by default.
                       "publish-aaaa-on-ipv4=no\npublish-a-on-ipv6=no\n[wide-area]\nenable-wide-area=no\n")
        program = shutil.which("avahi-daemon", path="/usr/sbin:/usr/bin:/sbin:/bin")
        if program is None:
            raise FileNotFoundError("avahi-daemon is missing: scripts/install-deps installs it")
        self.address = None
        self.process = party.spawn(role, [program, "-f", self.config, "--no-drop-root", "--no-chroot", "--no-rlimits",
                                          "--no-proc-title"], log=f"avahi-{name}.log", prepare=self._private_run)
        try:
            traffic.eventually(f"avahi-daemon {name} answers on its socket", self._listens, 10, watch=self._watch)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _private_run():
        # Where /run can't be hidden (a chroot without mount points) all share it: _listens lets them.
        ns.hide("/run")

    def _watch(self):
        if self.process.poll() is not None:
            raise ns.CommandFailed(f"avahi-daemon {self.name} has ended: {self.log()[-500:]}")

    def _listens(self):
        # Through /proc: the daemon alone sees its /run.
        root = f"/proc/{self.process.pid}/root{RUN}"
        try:
            with open(f"{root}/pid", encoding="ascii") as file:
                if int(file.read()) != self.process.pid:
                    return False
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.connect(f"{root}/socket")  # it is done with this path when it listens
            # In a shared /run the next one would refuse to start beside the one, and remove the other.
            os.rename(f"{root}/socket", f"{root}/{self.name}")
            os.unlink(f"{root}/pid")
        except (OSError, ValueError):
            return False
        self.address = f"{root}/{self.name}"
        return True

    def ask(self, line):
        """One request of the text protocol; "+ interface protocol name address" is the good answer."""
        answer = b""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:  # the daemon answers once and hangs up
            sock.settimeout(10)
            sock.connect(self.address)
            sock.sendall(line.encode() + b"\n")
            while not answer.endswith(b"\n"):
                if not (more := sock.recv(4096)):
                    break
                answer += more
        return answer.decode().strip()

    def resolve(self, name, family, timeout=15):
        """The address of NAME.local, by this daemon's own queries on the wire. It needs a moment after its start."""
        said = []

        def found():
            said.append(self.ask(f"RESOLVE-HOSTNAME-IPV{family} {name}.local"))
            return said[-1].startswith("+ ")
        try:
            traffic.eventually(f"{self.name} resolves {name}.local", found, timeout, watch=self._watch)
        except TimeoutError as error:
            raise TimeoutError(f"{error} (it says {said[-1]!r})") from None
        fields = said[-1].split()
        return fields[4] if len(fields) == 5 else said[-1]

    def log(self):
        with open(self.party.path(f"avahi-{self.name}.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def close(self):
        if self.address and os.path.exists(self.address):
            os.unlink(self.address)
        self.party.end(self.process)
