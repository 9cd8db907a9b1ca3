#!/usr/bin/python3 -B
"""scripts/demo, as a person would run it: to its end, with a daemon killed on the way, and stopped by Ctrl-C."""

import os
import signal
import subprocess
import sys
import types

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "scripts"))
from party import daemons, ns, tap, traffic  # noqa: E402  pylint: disable=C0413

DEMO = os.path.join(TOP, "scripts", "demo")

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


class Run:
    """One run of the demo, with its output as it comes."""

    def __init__(self, *arguments):
        environment = dict(os.environ, SOFTLAN_BUILD=daemons.build_directory(), LC_ALL="C.UTF-8")
        self.process = subprocess.Popen([DEMO, *arguments], env=environment, stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.output = ""

    def until(self, text):
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return
        raise AssertionError(f"the demo ended before it said '{text}':\n{self.output}")

    def end(self):
        """The exit code; nothing of the party may be left."""
        self.output += self.process.stdout.read()
        code = self.process.wait(60)
        # The script becomes its engine by exec, and the engine's process id is in the names it makes.
        left = [name for name in os.listdir(ns.NETNS) if str(self.process.pid) in name]
        tap.expect(not left, f"namespaces are left: {left}")
        return code


def killed(word):
    """Runs the demo, kills the daemon whose command line has the word, and wants to hear of it."""
    run = Run()
    run.until("c2 leased")
    victims = [pid for pid, line in children(run.process.pid).items() if word in line and "netns exec" not in line]
    tap.expect(victims, f"no process with '{word}' in its command line")
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    code = run.end()
    tap.expect(code not in (0, 130), f"the demo ended with {code}:\n{run.output}")
    tap.expect("demo: " in run.output, f"no reason was given:\n{run.output}")
    tap.expect("the LAN party works" not in run.output, "the demo says that all went well")


@plan.case("the demo shows every step and exits 0")
def whole(_):
    run = Run()
    code = run.end()
    tap.expect_equal(code, 0, f"exit code; it said:\n{run.output}")
    for text in ("relay is up", "gateway joined", "MTU 1382", "c1 leased", "c2 leased", "c1 pings c2", "lan pings c1",
                 "heard by lan and c2", "heard by c1 and c2", "Mbit/s, SHA-256 equal", "softlanctl rooms", "softlanctl peers",
                 "the LAN party works"):
        tap.expect(text in run.output, f"'{text}' is not in:\n{run.output}")


@plan.case("the demo ends non-zero, with the reason, when the relay is killed on the way")
def relay(_):
    killed("softlan-relay")


@plan.case("the demo ends non-zero, with the reason, when the gateway is killed on the way")
def gateway(_):
    killed("softlan-gateway")


@plan.case("the demo ends non-zero, with the reason, when a client is killed on the way")
def client(_):
    killed("softlan-client")


@plan.case("the demo ends non-zero, with the reason, when the party's DHCP server is killed on the way")
def dhcp(_):
    killed("dnsmasq")


@plan.case("Ctrl-C ends the demo and nothing is left")
def interrupted(_):
    run = Run()
    run.until("c1 leased")
    run.process.send_signal(signal.SIGINT)
    tap.expect_equal(run.end(), 130, f"exit code; it said:\n{run.output}")


@plan.case("--keep leaves the party running, --clean ends it")
def keep(_):
    run = Run("--keep")
    try:
        tap.expect_equal(run.process.wait(60), 0, "exit code")
        run.output += run.process.stdout.read()
        tap.expect("scripts/demo --clean" in run.output, run.output)
        traffic.eventually("the kept relay answers", lambda: subprocess.run(
            [os.path.join(daemons.build_directory(), "softlanctl"), "-s", "/run/softlan-demo/relay.sock", "rooms"],
            check=False, stdout=subprocess.DEVNULL).returncode == 0)
    finally:
        subprocess.run([DEMO, "--clean"], check=True, stdout=subprocess.DEVNULL)
    tap.expect(not os.path.exists("/run/softlan-demo"), "/run/softlan-demo is left")
    tap.expect(not os.path.exists(f"{ns.NETNS}/softlan-c1"), "a namespace is left")


if __name__ == "__main__":
    plan.main()
