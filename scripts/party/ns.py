"""Network namespaces: making them, running programs and opening sockets inside them.

Programs are started without `ip netns exec`, because that needs "/" to be a mount point, which
it is not in a plain chroot. Namespaces keep their names in /run/netns all the same, so that
people can look around with `ip netns exec`.
"""

import contextlib
import ctypes
import json
import os
import pwd
import re
import signal
import socket
import subprocess

NETNS = "/run/netns"
CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE = 1, 32, 0x1000, 0x4000, 1 << 18, 1 << 19
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class CommandFailed(Exception):
    """A program that was meant to succeed did not."""


def _must(result, what):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _mount(source, target, kind, flags):
    def encode(text):
        return text.encode() if text is not None else None
    return _libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), None)


def _enter_own_sysfs():
    """A mount namespace whose /sys shows the network devices of our network namespace."""
    _must(_libc.unshare(CLONE_NEWNS), "unshare the mount namespace")
    if _mount(None, "/", None, MS_SLAVE | MS_REC) != 0:
        # "/" of a chroot is no mount point; it is enough that /sys is one and stays ours.
        _must(_mount(None, "/sys", None, MS_PRIVATE | MS_REC), "make /sys private")
    _must(_mount("softlan", "/sys", "sysfs", 0), "mount /sys")


def hide(path):
    """For `prepare` of Namespace.popen: an empty directory over `path`, seen by that program alone. False: in a
    chroot whose "/" is no mount point that can't be kept from the others, and was left alone."""
    point = path
    while not os.path.ismount(point):
        point = os.path.dirname(point)
    if _mount(None, point, None, MS_PRIVATE) != 0:
        return False
    _must(_mount("none", path, "tmpfs", 0), f"hide {path}")
    return True


def networkd_files(interface):
    """For `prepare` of Namespace.popen: what systemd-networkd needs to configure this interface, and no other, by
    DHCP as it does by default: with the default route."""
    hide("/run")
    for path in ("/etc/systemd/network", "/usr/lib/systemd/network"):
        if os.path.isdir(path):
            hide(path)
    os.makedirs("/run/systemd/network", exist_ok=True)
    os.makedirs("/run/systemd/netif", exist_ok=True)
    user = pwd.getpwnam("systemd-network")
    os.chown("/run/systemd/netif", user.pw_uid, user.pw_gid)
    with open("/run/systemd/network/10-party.network", "w", encoding="ascii") as file:
        file.write(f"[Match]\nName={interface}\n[Network]\nDHCP=ipv4\n")
    # Without udev, as in a container: that is what a read-only /sys tells it.
    _must(_mount(None, "/sys", None, MS_REMOUNT | MS_BIND | MS_RDONLY), "make /sys read-only")


def run(argv, timeout=30, check=True, **options):
    """Runs a program to its end and returns its output; CommandFailed when it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL if "input" not in options else None,
                          timeout=timeout, check=False, **options)
    if check and done.returncode != 0:
        raise CommandFailed(f"{' '.join(map(str, argv))}: exit {done.returncode}: {done.stdout.strip()[-800:]}")
    return done.stdout


class Namespace:
    """One network namespace with its name, its programs and its sockets."""

    def __init__(self, role, name, keep=False):
        self.role = role
        self.name = name
        self.keep = keep  # programs outlive this process
        self.path = f"{NETNS}/{name}"
        run(["ip", "netns", "add", name])
        self.batch(["link set lo up"])

    def remove(self):
        run(["ip", "netns", "del", self.name], check=False)

    # --- programs ---

    def popen(self, argv, own_sysfs=True, prepare=None, **options):
        """Starts a program inside. It dies with us, unless the party is to be kept."""
        def before_exec():
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            _must(_libc.setns(fd, CLONE_NEWNET), f"enter {self.name}")
            os.close(fd)
            if own_sysfs:
                _enter_own_sysfs()
            if not self.keep:
                _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if prepare:
                prepare()
        options.setdefault("stdin", subprocess.DEVNULL)
        if self.keep:
            options.setdefault("start_new_session", True)
        return subprocess.Popen(argv, preexec_fn=before_exec, **options)

    def run(self, argv, timeout=30, check=True, stdin=None, env=None):
        """Runs a program inside to its end and returns its output (stdout and stderr)."""
        process = self.popen(argv, own_sysfs=False, text=True, stdout=subprocess.PIPE, env=env,
                             stderr=subprocess.STDOUT, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL)
        try:
            output, _ = process.communicate(stdin, timeout=timeout)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        if check and process.returncode != 0:
            raise CommandFailed(f"{self.role}: {' '.join(map(str, argv))}: exit {process.returncode}: "
                                f"{output.strip()[-800:]}")
        return output

    def ok(self, argv, timeout=30):
        """Does this program succeed?"""
        try:
            self.run(argv, timeout=timeout)
        except (CommandFailed, subprocess.TimeoutExpired):
            return False
        return True

    def ip_json(self, words):
        return json.loads(self.run(["ip", "-json"] + words.split()) or "[]")

    def batch(self, lines):
        self.run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")

    # --- from this process ---

    @contextlib.contextmanager
    def entered(self):
        """Puts the calling thread into the namespace. A socket made meanwhile stays in it."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _must(_libc.setns(there, CLONE_NEWNET), f"enter {self.name}")
            try:
                yield
            finally:
                _must(_libc.setns(home, CLONE_NEWNET), "return to the own namespace")
        finally:
            os.close(there)
            os.close(home)

    def socket(self, family, kind, protocol=0):
        with self.entered():
            return socket.socket(family, kind, protocol)

    def sysctl(self, name, value=None):
        """Reads (or writes) /proc/sys/net/NAME of the namespace."""
        with self.entered():
            with open(f"/proc/sys/net/{name}", "r" if value is None else "w", encoding="ascii") as file:
                return file.read().strip() if value is None else file.write(str(value))

    def proc_net(self, name):
        with self.entered():
            with open(f"/proc/thread-self/net/{name}", encoding="ascii") as file:
                return file.read()

    # --- what there is inside ---

    def listens(self, port):
        """Does a TCP socket listen on the port? (A closed connection's TIME-WAIT names it as well.)"""
        rows = [line.split() for name in ("tcp", "tcp6") for line in self.proc_net(name).splitlines()[1:]]
        return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)

    def mac(self, interface):
        return self.ip_json(f"link show dev {interface}")[0]["address"]

    def mtu(self, interface):
        return self.ip_json(f"link show dev {interface}")[0]["mtu"]

    def addresses(self, interface, family=4):
        """The interface's addresses that may be used now (no tentative ones), as text."""
        found = []
        for entry in self.ip_json(f"-{family} addr show dev {interface}"):
            for info in entry.get("addr_info", []):
                if not info.get("tentative") and not info.get("dadfailed"):
                    found.append(info["local"])
        return found

    def default_routes(self, interface):
        """How many IPv4 default routes lead out of the interface? Cheap enough to be polled."""
        rows = [line.split() for line in self.proc_net("route").splitlines()[1:]]
        return sum(1 for row in rows if row[0] == interface and row[1] == row[7] == "00000000")


def sweep(prefix):
    """Removes namespaces that a killed run has left: named PREFIX<pid>-…, and that process is gone."""
    if not os.path.isdir(NETNS):
        return
    for name in os.listdir(NETNS):
        match = re.fullmatch(re.escape(prefix) + r"(\d+)-\w+", name)
        if match and not os.path.exists(f"/proc/{match.group(1)}"):
            run(["ip", "netns", "del", name], check=False)


def unusable():
    """Why namespaces can't be used here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists("/dev/net/tun"):
        return "needs /dev/net/tun"
    name = f"slprobe{os.getpid()}"
    try:
        run(["ip", "netns", "add", name])
        run(["ip", "netns", "del", name])
    except (CommandFailed, FileNotFoundError) as error:
        return f"needs network namespaces ({error})"
    return None
