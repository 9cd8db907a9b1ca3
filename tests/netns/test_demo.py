#!/usr/bin/python3 -B
"""scripts/demo, as a person would run it: to its end, with a daemon killed on the way, and stopped by Ctrl-C."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import types

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "scripts"))
from party import daemons, ns, tap, traffic  # noqa: E402  pylint: disable=C0413

DEMO = os.path.join(TOP, "scripts", "demo")
LIMIT = 180  # seconds: with sanitizers, on a busy machine

plan = tap.Plan(lambda: types.SimpleNamespace(daemons=[], close=lambda: None))


def children(pid):
    """All descendants of a process: {pid: command line}."""
    parents, found = {}, {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                parents[int(entry)] = int(file.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    near = {pid}
    while near:
        near = {child for child, parent in parents.items() if parent in near}
        for child in near:
            try:
                with open(f"/proc/{child}/cmdline", "rb") as file:
                    found[child] = file.read().replace(b"\0", b" ").decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def processes(word):
    """The processes whose command line has the word: {pid: command line}."""
    return {pid: line for pid, line in children(0).items() if word in line}


class Run:
    """One run of the demo, with its output as it comes. Its temporary files have a directory of their own."""

    def __init__(self, *arguments, **variables):
        self.directory = tempfile.mkdtemp(prefix="softlan-test-demo-")
        environment = dict(os.environ, SOFTLAN_BUILD=daemons.build_directory(), LC_ALL="C.UTF-8",
                           TMPDIR=self.directory, **variables)
        self.process = subprocess.Popen([DEMO, *arguments], env=environment, stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        # The script becomes its engine by exec, and the engine's process id is in the names it makes.
        self.prefix = f"slt{self.process.pid}-"
        self.output = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """A run that the test has given up goes on for nobody."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate()
        self.process.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def until(self, text):
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return
        raise AssertionError(f"the demo ended before it said '{text}':\n{self.output}")

    def end(self):
        """The exit code; nothing of the party may be left, but for what --keep keeps."""
        self.output += self.process.stdout.read()
        code = self.process.wait()
        left = [name for name in os.listdir(ns.NETNS) if name.startswith(self.prefix)]
        tap.expect(not left, f"namespaces are left: {left}")
        tap.expect_equal(os.listdir(self.directory), [], "temporary files that are left")
        # Those that were killed last may still be on their way out.
        traffic.eventually("no process is left", lambda: not processes(self.directory), 5)
        return code


def expect_failure(run):
    """The demo must end by itself, with a code that says so, and with a reason."""
    code = run.end()
    tap.expect(code not in (0, 130), f"the demo ended with {code}:\n{run.output}")
    tap.expect("demo: " in run.output, f"no reason was given:\n{run.output}")
    tap.expect("the LAN party works" not in run.output, "the demo says that all went well")


def killed(word):
    """Runs the demo, kills the daemon whose command line has the word, and wants to hear of it."""
    with Run() as run:
        run.until("c2 leased")
        victims = [pid for pid, line in children(run.process.pid).items() if word in line]
        tap.expect(victims, f"no process with '{word}' in its command line")
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        expect_failure(run)


@plan.case("the demo shows every step and exits 0", limit=LIMIT)
def whole(_):
    with Run() as run:
        code = run.end()
        tap.expect_equal(code, 0, f"exit code; it said:\n{run.output}")
        for text in ("relay is up", "gateway joined", "MTU 1500", "c1 leased", "c2 leased", "c1 pings c2",
                     "the LAN host pings c1", "heard by the LAN host and c2", "heard by c1 and c2",
                     "Mbit/s, SHA-256 equal", "softlanctl rooms", "softlanctl peers", "the LAN party works"):
            tap.expect(text in run.output, f"'{text}' is not in:\n{run.output}")


@plan.case("the demo ends non-zero, with the reason, when a step fails though every daemon runs", limit=LIMIT)
def no_lan(_):
    with Run() as run:
        run.until("c2 leased")
        ns.run(["nsenter", f"--net={ns.NETNS}/{run.prefix}switch", "ip", "link", "set", "lan", "down"])
        expect_failure(run)
        tap.expect("demo: c1: ping 10.77.0.1: " in run.output, f"the reason is not the ping:\n{run.output}")


@plan.case("the demo ends non-zero, with the reason, when the relay is killed on the way", limit=LIMIT)
def relay(_):
    killed("softlan-relay")


@plan.case("the demo ends non-zero, with the reason, when the gateway is killed on the way", limit=LIMIT)
def gateway(_):
    killed("softlan-gateway")


@plan.case("the demo ends non-zero, with the reason, when a client is killed on the way", limit=LIMIT)
def client(_):
    killed("softlan-client")


@plan.case("the demo ends non-zero, with the reason, when the party's DHCP server is killed on the way", limit=LIMIT)
def dhcp(_):
    killed("dnsmasq")


@plan.case("Ctrl-C ends the demo and nothing is left", limit=LIMIT)
def interrupted(_):
    for place in ("namespaces: ", "relay is up", "c1 joined", "c1 leased"):
        with Run() as run:
            run.until(place)
            run.process.send_signal(signal.SIGINT)
            tap.expect_equal(run.end(), 130, f"exit code; it said:\n{run.output}")


@plan.case("--keep leaves the party running, --clean ends it", limit=LIMIT)
def keep(_):
    # A name of its own: somebody may have kept a party here, and another run of this test may be on its way.
    name = f"slt{os.getpid()}"
    directory = f"/run/{name}-demo"
    with Run("--keep", SOFTLAN_DEMO_NAME=name) as run:
        try:
            tap.expect_equal(run.end(), 0, f"exit code; it said:\n{run.output}")
            tap.expect("scripts/demo --clean" in run.output, run.output)
            tap.expect(processes(directory), "no daemon has stayed")
            traffic.eventually("the kept relay answers", lambda: subprocess.run(
                [daemons.program("softlanctl"), "-s", f"{directory}/relay.sock", "rooms"],
                check=False, stdout=subprocess.DEVNULL).returncode == 0)
        finally:
            subprocess.run([DEMO, "--clean"], check=True, stdout=subprocess.DEVNULL,
                           env=dict(os.environ, SOFTLAN_DEMO_NAME=name))
    tap.expect(not os.path.exists(directory), f"{directory} is left")
    tap.expect_equal([one for one in os.listdir(ns.NETNS) if one.startswith(f"{name}-")], [], "namespaces left")
    tap.expect_equal(processes(directory), {}, "processes left")


if __name__ == "__main__":
    plan.main()
