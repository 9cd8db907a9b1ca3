"""Containers with a real systemd: systemd-nspawn on an overlay over a release's root."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import roots

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import ns, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

PREFIX = "softlan-system-"


class ContainerFailed(Exception):
    """A container did not boot, or a program in it that was meant to succeed did not."""


def unusable():
    """Why no container can be booted here, or None."""
    if reason := ns.unusable():
        return reason
    for program in ("systemd-nspawn", "debootstrap", "unshare", "nsenter"):
        if not shutil.which(program):
            return f"needs {program}: scripts/install-deps installs it"
    if not os.path.ismount("/"):
        return "needs a root directory that is a mount point, which a chroot's is not"
    if not _hierarchies():
        return "needs a cgroup hierarchy that systemd can use (cgroup2, or name=systemd)"
    with tempfile.TemporaryDirectory() as top:
        for name in "abcd":
            os.mkdir(os.path.join(top, name))
        done = subprocess.run(["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o",
                               f"lowerdir={top}/a,upperdir={top}/b,workdir={top}/c", f"{top}/d"], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return f"needs overlayfs ({done.stdout.strip()})" if done.returncode != 0 else None


def _hierarchies():
    """Where a container needs a cgroup: the unified hierarchy, and systemd's own of version 1."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = [line.split() for line in file]
    # Once each: a folder of another system that somebody works in (chroot) may have them mounted, too.
    return [where for _, where, kind, options, *_ in mounts if where.startswith("/sys/")
            and (kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")))]


def sweep():
    """Removes what killed runs have left: their processes are gone with them, folders and cgroups are not."""
    for top in [tempfile.gettempdir()] + _hierarchies():
        for name in os.listdir(top):
            found = re.fullmatch(rf"{PREFIX}(\d+)-.*", name)
            if found and not os.path.exists(f"/proc/{found.group(1)}"):
                _remove_cgroup(os.path.join(top, name)) if top.startswith("/sys/") else shutil.rmtree(
                    os.path.join(top, name), ignore_errors=True)


def _remove_cgroup(path):
    for folder, _, _ in os.walk(path, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            pass


class Container:
    """One booted system of a release. `space`: the network namespace (ns.Namespace) it lives in; without, it has one of
    its own. Programs in it run with run() as root, not confined as services are."""

    def __init__(self, release, name, space=None):
        self.release, self.name, self.shown = release, f"{release}-{name}", 0
        self.machine = f"{PREFIX}{os.getpid()}-{self.name}"
        self.directory = os.path.join(tempfile.gettempdir(), self.machine)
        self.cgroups = [os.path.join(top, self.machine) for top in _hierarchies()]
        self.process = self.leader = None
        root = roots.base(release)
        try:
            for part in ("", "diff", "work", "root"):
                os.mkdir(os.path.join(self.directory, part), 0o700 if not part else 0o755)
            for path in self.cgroups:
                os.mkdir(path)
            self._boot(root, space)
        except BaseException:
            self.close()
            raise

    def _boot(self, root, space):
        def join():
            for path in self.cgroups:
                with open(os.path.join(path, "cgroup.procs"), "w", encoding="ascii") as file:
                    file.write(str(os.getpid()))
        top = os.path.join(self.directory, "root")
        # nspawn mounts /sys before it joins a namespace: so it is there from its start, for the right devices in it.
        enter = ["nsenter", f"--net={space.path}"] if space else []
        network = [f"--network-namespace-path={space.path}"] if space else ["--private-network"]
        # The network is its own to configure; with bpf(), systemd really holds services to their devices and addresses.
        # It dies with us, and all that is in it with it.
        argv = ["systemd-nspawn", "--quiet", f"--directory={top}", f"--machine={self.machine}", "--boot",
                "--register=no", "--keep-unit", "--link-journal=no", "--console=pipe", "--resolv-conf=off",
                "--capability=CAP_NET_ADMIN", "--system-call-filter=bpf", *network]
        mount = (f'mount -t overlay overlay -o "lowerdir={root},upperdir={self.directory}/diff,'
                 f'workdir={self.directory}/work" "{top}" && exec "$@"')
        with open(os.path.join(self.directory, "console"), "wb") as console:
            self.process = subprocess.Popen(  # pylint: disable=R1732,W1509
                ["setpriv", "--pdeathsig", "KILL", *enter, "unshare", "--mount", "--propagation", "slave", "sh", "-ec",
                 mount, "sh", *argv], preexec_fn=join, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                env={**roots.ENVIRONMENT, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_LOCK": "0"})
        traffic.eventually(f"{self.name} boots", self._booted, 60, watch=self.check)
        self.run(["chmod", "666", "/dev/net/tun"])  # what udev does, which a container is without

    def _init(self):
        """The container's first process, or None: of systemd-nspawn's children (and the shell's, before it) the one that is
        in a process namespace of its own."""
        done = subprocess.run(["pgrep", "-P", str(self.process.pid)], stdout=subprocess.PIPE, text=True, check=False)
        for pid in done.stdout.split():
            try:
                if os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid"):
                    return pid
            except FileNotFoundError:
                pass
        return None

    def _booted(self):
        self.leader = self.leader or self._init()
        return self.leader and self.run(["systemctl", "is-system-running"], check=False).strip() in ("running", "degraded")

    def check(self):
        """ContainerFailed unless it runs."""
        if self.process.poll() is not None:
            raise ContainerFailed(f"{self.name} has ended (exit {self.process.returncode}): {self.log()[-1000:]}")

    def run(self, argv, user=None, check=True, timeout=60):
        """Runs a program in the container and returns its output, stdout and stderr; ContainerFailed when it fails."""
        return self.result(argv, user, check, timeout)[1]

    def result(self, argv, user=None, check=False, timeout=60):
        """The same, with the exit code: (code, output)."""
        if user:
            argv = ["runuser", "-u", user, "--", *argv]
        done = subprocess.run(["nsenter", "-t", self.leader, "-a", "--", *argv], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=timeout, check=False, env=roots.ENVIRONMENT)
        if check and done.returncode != 0:
            raise ContainerFailed(f"{self.name}: {' '.join(argv)}: exit {done.returncode}: {done.stdout.strip()[-1500:]}")
        return done.returncode, done.stdout

    def path(self, inside):
        """A file of the container, as seen from outside."""
        return f"/proc/{self.leader}/root{inside}"

    def exists(self, path):
        return os.path.lexists(self.path(path))

    def read(self, path):
        with open(self.path(path), encoding="utf-8") as file:
            return file.read()

    def write(self, path, text):
        """Writes a file, as an editor does: owner and mode of one that exists stay."""
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write(text)

    def install(self, folder, *names, options=()):
        """apt install of packages in a folder outside."""
        where = self.path("/var/tmp/packages")
        shutil.rmtree(where, ignore_errors=True)
        os.mkdir(where)
        files = [name for name in sorted(os.listdir(folder)) if name.endswith(".deb") and name.split("_")[0] in names]
        for name in files:
            shutil.copy(os.path.join(folder, name), where)
        return self.run(["apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0", "--no-install-recommends", *options, "install",
                         *(f"/var/tmp/packages/{name}" for name in files)], timeout=120)

    # --- units ---

    def show(self, unit, name):
        """A property of a unit."""
        return self.run(["systemctl", "show", "-P", name, unit]).strip()

    def main_pid(self, unit):
        return int(self.show(unit, "MainPID"))

    def drop_in(self, unit, text):
        """A drop-in for the [Service] part of a unit; "" takes it away."""
        path = f"/etc/systemd/system/{unit}.service.d/test.conf"
        if text:
            self.write(path, f"[Service]\n{text}")
        elif self.exists(path):
            os.unlink(self.path(path))
        self.run(["systemctl", "daemon-reload"])

    # --- end ---

    def log(self):
        """What it said on its console, and the journal's last lines: for a case that has failed."""
        with open(os.path.join(self.directory, "console"), encoding="utf-8", errors="replace") as file:
            text = file.read()
        if self.leader and self.process.poll() is None:
            text += self.run(["journalctl", "-b", "--no-pager", "-o", "short-monotonic", "-n", "40"], check=False)
        return text

    def _pids(self):
        found = set()
        for top in self.cgroups:
            for folder, _, files in os.walk(top):
                if "cgroup.procs" in files:
                    with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file:
                        found.update(int(line) for line in file)
        return found

    def remains(self):
        """What is left of it: processes, its folder, cgroups. (Its mounts end with the processes that see them.)"""
        return sorted(self._pids()) + [path for path in (self.directory, *self.cgroups) if os.path.exists(path)]

    def close(self):
        """Halts it, by force if need be, and removes everything."""
        if self.process and self.process.poll() is None:
            if self.leader:
                try:
                    os.kill(int(self.leader), signal.SIGRTMIN + 3)  # systemd: halt
                    self.process.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    pass
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        end = time.monotonic() + 5
        while (pids := self._pids()) and time.monotonic() < end:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        for path in self.cgroups:
            _remove_cgroup(path)
        shutil.rmtree(self.directory, ignore_errors=True)


class Systems:
    """What a test program's cases share: containers by release, and a party where there is one. They are `daemons` too,
    for tap.py to look after."""

    def __init__(self):
        sweep()
        self.daemons, self.closed, self.parties = [], [], []

    def boot(self, release, name, space=None):
        container = Container(release, name, space)
        self.daemons.append(container)
        return container

    def boxes(self):
        """One container of each release, with all packages: {release: container}."""
        found = {}
        for release in roots.RELEASES:
            found[release] = self.boot(release, "box")
            found[release].install(roots.packages(release), *roots.PACKAGES)
        return found

    def party(self, release):
        """The networks of a party, one of each release."""
        ns.sweep("slt")
        party = topology.Party(prefix=f"slt{os.getpid()}-{release}_")
        self.parties.append(party)
        return party

    def close(self):
        """Ends everything; nothing interrupts it."""
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
        self.closed += self.daemons
        for container in self.daemons:
            container.close()
        self.daemons = []
        for party in self.parties:
            party.close()
        self.parties = []
        for number, handler in before.items():
            signal.signal(number, handler)


def nothing_left(systems):
    """The last case of each program."""
    systems.close()
    left = {container.name: container.remains() for container in systems.closed if container.remains()}
    if left or not systems.closed:
        raise AssertionError(f"left behind: {left}")


def plan(fill):
    """The plan of a program whose cases share the systems that `fill(systems)` boots, once the packages are built."""
    def setup():
        systems = Systems()
        try:
            roots.prepare()
            fill(systems)
        except BaseException:
            systems.close()
            raise
        return systems
    ending = ("the containers halt; no process, folder or cgroup stays behind", nothing_left)
    return tap.Plan(setup, ending, unusable, limit=2400)
