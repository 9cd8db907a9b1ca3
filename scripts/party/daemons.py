"""softlan's daemons: configuration, start, readiness, state, end."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from . import topology

REPORTS = re.compile(r"ERROR: (Address|Leak|Undefined|Memory)Sanitizer|SUMMARY: \w+Sanitizer|"
                     r"runtime error:|AddressSanitizer:DEADLYSIGNAL")


class DaemonFailed(Exception):
    """A daemon did not start, died, ended with a wrong code, or left a sanitizer report."""


def build_directory():
    return os.path.abspath(os.environ.get("SOFTLAN_BUILD") or ".")


def program(name):
    """The path of a built program; FileNotFoundError when it is not there."""
    path = os.path.join(build_directory(), name)
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path} is missing: set SOFTLAN_BUILD to the directory of the built programs")
    return path


def sanitized(name="softlan-relay"):
    """Was this program built with a sanitizer? Such a build is several times slower."""
    with open(program(name), "rb") as file:
        text = file.read()
    return b"__asan_init" in text or b"__ubsan_handle" in text


def environment(extra=None):
    env = dict(os.environ)
    # Leaks count, a finding ends the program, and it has an exit code of its own.
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99:detect_stack_use_after_return=1")
    env.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1:exitcode=99")
    env.pop("NOTIFY_SOCKET", None)
    env.update(extra or {})
    return env


def setting(value):
    """A Python value as libconfig text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return "{ " + " ".join(f"{key} = {setting(item)};" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "( " + ", ".join(setting(item) for item in value) + " )"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def config_text(settings):
    return "".join(f"{key} = {setting(value)};\n" for key, value in settings.items())


def _read_notes(sock, notes):
    """The reader of a notify socket: collects (time, line) until the socket is shut down."""
    with sock:
        while text := sock.recv(4096).decode("utf-8", "replace"):
            now = time.monotonic()
            notes += [(now, line) for line in text.splitlines() if line]


class Daemon:
    """One softlan daemon in one namespace of a party."""

    def __init__(self, party, kind, role, name=None, settings=None):
        self.party = party
        self.kind = kind  # "relay", "gateway", "client"
        self.role = role  # the namespace
        self.name = name or role
        self.config = party.path(f"{self.name}.conf")
        self.log_path = party.path(f"{self.name}.log")
        self.control = party.path(f"{self.name}.sock")
        # Root's, whatever users this machine has: the party's files are root's, too.
        self.settings = {"user": "", **(settings or {}), "control_socket": self.control}
        self.process = None
        self.notify = None
        self.notes = []  # (time, "READY=1"), in the order of arrival, of this run
        self.shown = 0  # lines of the log that a test has printed already
        party.daemons.append(self)

    # --- life ---

    def start(self, wait=True, env=None, args=(), timeout=20, **options):
        """Starts it; with `wait`, returns once it has said READY=1."""
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(config_text(self.settings))
        path = self.party.path(f"{self.name}.notify")
        self.close()
        if os.path.exists(path):
            os.unlink(path)
        self.notes = []
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(path)
        os.chmod(path, 0o666)  # the daemon may have another user by then
        # Read at all times, as systemd does: a full socket would hold the daemon up.
        threading.Thread(target=_read_notes, args=(self.notify, self.notes), daemon=True).start()
        with open(self.log_path, "ab") as log:
            self.process = self.party.spaces[self.role].popen(
                [program(f"softlan-{self.kind}"), "-c", self.config, *args], stdout=log, stderr=log,
                env=environment({"NOTIFY_SOCKET": path, **(env or {})}), **options)
        if wait:
            self.wait_ready(timeout)
        return self

    def noted(self, word):
        """When did the daemon say this (`READY=1`)? None: not yet."""
        return next((when for when, line in list(self.notes) if line == word), None)

    def status_line(self):
        """The last STATUS= that systemd would show."""
        lines = [line[len("STATUS="):] for _, line in list(self.notes) if line.startswith("STATUS=")]
        return lines[-1] if lines else ""

    def wait_ready(self, timeout=20):
        """Waits for READY=1; returns when it came (time.monotonic)."""
        end = time.monotonic() + timeout
        while (when := self.noted("READY=1")) is None:
            self.check()
            if time.monotonic() > end:
                raise DaemonFailed(f"{self.name}: not ready within {timeout} s ({self.status_line() or 'no status'})")
            time.sleep(0.01)
        return when

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def check(self):
        """DaemonFailed unless it runs."""
        if not self.alive():
            code = self.process.returncode if self.process else None
            how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit {code}"
            raise DaemonFailed(f"softlan-{self.kind} ({self.name}) is gone ({how}): {self.last_words()}")

    def kill(self):
        """kill -9"""
        self.process.kill()
        self.process.wait()

    def stop(self, expect=0, timeout=10):
        """TERM; checks the exit code and that no sanitizer has reported anything."""
        if self.process is None:
            return
        self.check()
        self.process.terminate()
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DaemonFailed(f"{self.name}: still running {timeout} s after TERM") from None
        self.process = None
        if code != expect:
            raise DaemonFailed(f"{self.name}: exit {code} instead of {expect}: {self.last_words()}")
        self.check_reports()

    def check_reports(self):
        if found := REPORTS.search(self.log()):
            raise DaemonFailed(f"{self.name}: sanitizer report: {self.log()[found.start():][:3000]}")

    def close(self):
        if self.notify:
            self.notify.shutdown(socket.SHUT_RDWR)  # ends the reader, which closes it
            self.notify = None

    # --- what it says ---

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def tail(self, lines=12):
        return self.log().splitlines()[-lines:]

    def last_words(self):
        return " | ".join(self.tail(1)) or "it said nothing"

    def ctl(self, *words, timeout=10):
        """`softlanctl --json` of this daemon, parsed."""
        return json.loads(self.ctl_text("--json", *words, timeout=timeout))

    def ctl_text(self, *words, timeout=10):
        """What `softlanctl` prints."""
        done = subprocess.run([program("softlanctl"), "-s", self.control, *words], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout, check=False, env=environment())
        if done.returncode != 0:
            self.check()
            raise DaemonFailed(f"softlanctl {' '.join(words)} on {self.name}: exit {done.returncode}: "
                               f"{done.stderr.strip()[-500:]}")
        return done.stdout

    def status(self):
        return self.ctl("status")

    def peers(self):
        return self.ctl("peers")["peers"]

    def counters(self):
        return self.ctl("stats")["counters"]

    def connected(self):
        try:
            return bool(self.status().get("connected"))
        except DaemonFailed:
            self.check()
            return False


def make_relay(party, name="relay", **settings):
    """The relay in its namespace; its development certificate goes to relay.der."""
    base = {"listen": f"{topology.RELAY}:443", "dev_certificate_out": party.path("relay.der"),
            "state_directory": party.path("relay-state")}
    base.update(settings)
    if "certificate" in base:
        base.pop("dev_certificate_out")
    os.makedirs(base["state_directory"], exist_ok=True)
    return Daemon(party, "relay", "relay", name, base)


def make_gateway(party, name="gateway", **settings):
    base = {"relay": topology.RELAY, "relay_ca": party.path("relay.der"), "room": "ROOM1", "interface": "lan0"}
    base.update(settings)
    return Daemon(party, "gateway", "gw", name, base)


def make_client(party, role, name=None, tap="softlan0", **settings):
    name = name or role
    base = {"relay": topology.RELAY, "relay_ca": party.path("relay.der"), "room": "ROOM1",
            "identity_file": party.path(f"{name}-identity.json"), "tap": {"name": tap}}
    base.update(settings)
    daemon = Daemon(party, "client", role, name, base)
    daemon.tap = tap
    return daemon
