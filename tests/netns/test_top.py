#!/usr/bin/python3 -B
"""`softlanctl top` on a real terminal: keys are pressed, the screen is judged, the terminal comes back."""

import os
import re
import signal
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, frames, hostile, standard, tap, terminal, topology, traffic  # noqa: E402

plan = tap.Plan(lambda: standard.start(clients=("c1",)))
RATE, SIZE = 200, 500
HOME, END, UP, DOWN, ENTER, ESC = "\x1b[H", "\x1b[F", "\x1b[A", "\x1b[B", "\r", "\x1b"


def top(daemon, **options):
    return terminal.Terminal([daemons.program("softlanctl"), "-s", daemon.control, "-t", "2", "top"], **options)


def rows(term):
    """The table's rows as words, without the mark of the chosen one."""
    body = term.screen.display[5:term.screen.lines - 1]
    return [line.lstrip("> ").split() for line in body if line.strip()]


def chosen(term):
    return next((line[1:].split()[0] for line in term.screen.display if line.startswith(">")), None)


def number(text):
    """A rate as top writes it."""
    scale = {"k": 1e3, "M": 1e6, "G": 1e9}.get(text[-1], 1)
    return float(text.rstrip("kMG")) * scale


class Stream:
    """A stream of frames from the client to the LAN."""

    def __init__(self, party):
        self.ports = standard.ports(party, "lan", "c1")
        mac = party.c1.mac("softlan0")
        traffic.ping(party.c1, topology.LAN_HOST)  # the relay knows the LAN host
        some = [frames.build(topology.LAN_MAC, mac, size=SIZE)] * (RATE * 20)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._send, args=(some,))
        self.thread.start()

    def _send(self, some):
        for _ in range(40):
            if self.stop.is_set():
                break
            frames.send_at_rate(self.ports["c1"], some[:RATE // 2], RATE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        for port in self.ports.values():
            port.close()


@plan.case("the relay's rooms with rates; Enter opens one, Esc goes back, q leaves the terminal as it was [OPS-3]")
def rooms_and_peers(party):
    relayd = party.relayd
    with hostile.RawPeer(party, "c2", room="OTHER-ROOM"), Stream(party), top(relayd) as term:
        term.until("both rooms with rates", lambda: {row[0] for row in rows(term)} == {"ROOM1", "OTHER-ROOM"} and
                   number(rows(term)[0][1].replace("-", "0")) > 0)
        tap.expect(term.line(0).startswith("softlan-relay 0."), f"line 1: {term.line(0)}")
        tap.expect("Serving on" in term.line(1), f"line 2: {term.line(1)}")
        tap.expect(re.search(r"in [\d.k]+ frames/s .*bit/s, out .* dropped .*2 rooms, 3 peers", term.line(2)),
                   f"line 3: {term.line(2)}")
        tap.expect(term.screen.display[4].split()[0] == "ROOM", f"header: {term.line(4)}")
        tap.expect_equal(rows(term)[0][0], "ROOM1", "the room with the most bits")
        tap.expect(term.screen.buffer[4][2].bold, "the header is not bold")

        def right_rate():
            name, frames_in, bits_in = rows(term)[0][:3]
            return name == "ROOM1" and abs(number(frames_in) - RATE) < RATE * 0.25 and \
                abs(number(bits_in) - RATE * SIZE * 8) < RATE * SIZE * 8 * 0.25
        term.until(f"about {RATE} frames/s in ROOM1", right_rate)

        term.press(DOWN)
        term.until("the second row is chosen", lambda: chosen(term) == "OTHER-ROOM")
        term.press(UP)
        term.until("the first row is chosen", lambda: chosen(term) == "ROOM1")
        term.press(ENTER)
        term.until("the room is open", lambda: term.line(3).startswith("room ROOM1: 2 peers") and
                   [row[1] for row in rows(term)] in (["gateway", "client"], ["client", "gateway"]))
        tap.expect(term.screen.display[4].split()[:2] == ["ID", "ROLE"], f"header: {term.line(4)}")

        def client_in():
            row = next(row for row in rows(term) if row[1] == "client")
            return abs(number(row[2].replace("-", "0")) - RATE) < RATE * 0.25
        term.until("the client's rate", client_in)
        tap.expect(any(word.endswith("ms") for word in rows(term)[0]), f"no RTT: {rows(term)[0]}")
        term.press(ESC)
        term.until("the rooms again", lambda: term.line(3).startswith("rooms"))
        term.press("q")
        tap.expect_equal(term.wait(), 0, "exit code")
        tap.expect_equal(term.restored(), [], "left behind")


@plan.case("keys sort, and reverse the order; the chosen row stays chosen [OPS-3]")
def order(party):
    with hostile.RawPeer(party, "c2", room="A-ROOM"), top(party.relayd) as term:
        term.until("two rooms", lambda: len(rows(term)) == 2)
        for key, title in (("f", "frames"), ("b", "bits"), ("t", "round trip"), ("d", "drops"), ("n", "name")):
            term.press(key)
            term.until(f"sorted by {title}", lambda: term.line(3) == f"rooms, by {title}")
        term.until("A-ROOM first", lambda: [row[0] for row in rows(term)] == ["A-ROOM", "ROOM1"])
        term.press(END)
        term.until("the last row is chosen", lambda: chosen(term) == "ROOM1")
        term.press("r")
        term.until("reversed", lambda: [row[0] for row in rows(term)] == ["ROOM1", "A-ROOM"])
        tap.expect_equal(term.line(3), "rooms, by name, reversed", "title")
        tap.expect_equal(chosen(term), "ROOM1", "the chosen row after the reversal")
        term.press("q")
        tap.expect_equal(term.wait(), 0, "exit code")


@plan.case("gateway and client: their own room's peers at once [OPS-3]")
def endpoints(party):
    for daemon, role in ((party.gateway, "client"), (party.clients["c1"], "gateway")):
        with top(daemon) as term:
            term.until(f"the {role}", lambda: term.line(3).startswith("room ROOM1: 1 peer") and
                       [row[1] for row in rows(term)] == [role])
            term.press(b"\x7f")
            term.until("its room", lambda: [row[0] for row in rows(term)] == ["ROOM1"])
            term.until("with its round trip", lambda: any(word.endswith("ms") for word in rows(term)[0]))
            term.press("q")
            tap.expect_equal(term.wait(), 0, "exit code")
            tap.expect_equal(term.restored(), [], "left behind")


@plan.case("smaller and larger: drawn anew, never wider or longer than the screen [OPS-3]")
def resize(party):
    with top(party.relayd, columns=100, lines=30) as term:
        term.until("a picture", lambda: "ROOM1" in term.text() and term.line(29).startswith("q quit"))
        for columns, lines in ((40, 8), (20, 3), (12, 1), (200, 50)):
            term.resize(columns, lines)
            term.screen.reset()
            term.until(f"{columns}x{lines}", lambda: term.line(0).startswith("softlan-rel"[:columns - 1]) and
                       (lines == 1 or term.line(lines - 1).startswith("q quit")))
            tap.expect(lines < 7 or any("ROOM1"[:columns] in line for line in term.screen.display), "no room shown")
        term.press("q")
        tap.expect_equal(term.wait(), 0, "exit code")


@plan.case("Ctrl-C, TERM, HUP, QUIT, Ctrl-Z: the terminal comes back [OPS-3]")
def signals(party):
    for how, code in (("\x03", 0), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP),
                      (signal.SIGQUIT, -signal.SIGQUIT), (signal.SIGINT, 0)):
        with top(party.relayd) as term:
            term.until("a picture", lambda: "ROOM1" in term.text())
            tap.expect(term.restored(), "the test would not see a terminal that is not restored")
            if isinstance(how, str):
                term.press(how)
            else:
                os.kill(term.pid, how)
            tap.expect_equal(term.wait(), code, f"exit after {how!r}")
            tap.expect_equal(term.restored(), [], f"left behind after {how!r}")
    with top(party.relayd) as term:
        term.until("a picture", lambda: "ROOM1" in term.text())
        os.kill(term.pid, signal.SIGTSTP)
        _, status = os.waitpid(term.pid, os.WUNTRACED)
        tap.expect(os.WIFSTOPPED(status), f"not stopped: {status}")
        term.read(0.2)
        tap.expect_equal(term.restored(), [], "left behind while stopped")
        term.raw = b""
        term.screen.reset()
        os.kill(term.pid, signal.SIGCONT)
        term.until("a picture again", lambda: "ROOM1" in term.text() and b"\x1b[?1049h" in term.raw)
        term.press("q")
        tap.expect_equal(term.wait(), 0, "exit code")


@plan.case("the terminal hangs up: top ends [OPS-3]")
def hang_up(party):
    with top(party.relayd) as term:
        term.until("a picture", lambda: "ROOM1" in term.text())
        os.close(term.slave)
        os.close(term.master)
        term.master = term.slave = -1
        end = time.monotonic() + 5
        while term.code is None and time.monotonic() < end:
            pid, status = os.waitpid(term.pid, os.WNOHANG)
            if pid:
                term.code = os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        tap.expect(term.code is not None and term.code != 0, f"exit code {term.code}")


@plan.case("a terminal that takes nothing holds up neither top nor its end [OPS-3]")
def stuck(party):
    with top(party.relayd) as term:
        term.until("a picture", lambda: "ROOM1" in term.text())
        termios.tcflow(term.slave, termios.TCOOFF)
        term.read(0.2)
        shown = len(term.raw)
        for _ in range(100):
            term.press("r")
            term.read(0.02)
        tap.expect_equal(len(term.raw), shown, "bytes that a stopped terminal took")
        os.kill(term.pid, signal.SIGTERM)
        end = time.monotonic() + 3
        while term.code is None and time.monotonic() < end:
            pid, status = os.waitpid(term.pid, os.WNOHANG)
            if pid:
                term.code = os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        tap.expect_equal(term.code, -signal.SIGTERM, "exit code")
        tap.expect_equal(termios.tcgetattr(term.slave), term.before, "settings of the terminal")


@plan.case("the daemon is mute, away and back: shown, asked again; keys work meanwhile [OPS-3]", limit=60)
def away(party):
    relayd = party.relayd
    with top(relayd) as term:
        term.until("a picture", lambda: "ROOM1" in term.text())
        relayd.process.send_signal(signal.SIGSTOP)
        try:
            term.until("mute", lambda: "does not answer; asking again" in term.line(1), 8)
            tap.expect("ROOM1" not in term.text(), "old numbers are still shown")
            began = time.monotonic()
            term.press("r")
            term.until("a key works", lambda: term.line(3).endswith("reversed"))
            tap.expect(time.monotonic() - began < 1.5, "the key took too long")
        finally:
            relayd.process.send_signal(signal.SIGCONT)
        term.until("it answers again", lambda: "ROOM1" in term.text() and "Serving" in term.line(1))
        relayd.stop()
        term.until("gone", lambda: "no daemon answers" in term.line(1) and "asking again" in term.line(1))
        tap.expect_equal(term.code, None, "exit code")
        relayd.start()
        term.until("it is back", lambda: "Serving" in term.line(1))
        relayd.stop()
        term.until("gone again", lambda: "asking again" in term.line(1))
        term.press("q")
        tap.expect_equal(term.wait(), 0, "exit code")
        tap.expect_equal(term.restored(), [], "left behind")
    relayd.start()
    for daemon in (party.gateway, party.clients["c1"]):
        traffic.eventually(f"{daemon.name} is back", daemon.connected, 20)


@plan.case("without a terminal, with --json or TERM: usage errors with the remedy; no daemon is 3 [OPS-3]")
def usage(party):
    def code(*argv):
        done = subprocess.run([daemons.program("softlanctl"), "-s", party.relayd.control, *argv], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=False)
        return done.returncode, done.stderr
    result, text = code("top")
    tap.expect(result == 2 and "peers" in text and "stats" in text, f"no terminal: exit {result}: {text}")
    result, text = code("--json", "top")
    tap.expect(result == 2 and "peers" in text, f"--json: exit {result}: {text}")
    program = daemons.program("softlanctl")
    for env, word in ({"TERM": "dumb"}, "TERM"), ({}, "TERM"):
        with terminal.Terminal([program, "-s", party.relayd.control, "top"], env=env) as term:
            tap.expect_equal(term.wait(), 2, f"exit code with {env}")
            tap.expect(word in term.text(), f"it says {term.text()}")
    with terminal.Terminal([program, "-s", party.path("nobody.sock"), "top"]) as term:
        tap.expect_equal(term.wait(), 3, "exit code without a daemon")
        tap.expect(b"\x1b" not in term.raw, "the screen was touched")


@plan.case("NO_COLOR: no colour, and the chosen row is marked all the same [OPS-3]")
def no_colour(party):
    env = dict(os.environ, TERM="xterm", NO_COLOR="1")
    with top(party.relayd, env=env) as term:
        term.until("a picture", lambda: chosen(term) == "ROOM1")
        tap.expect(not re.search(rb"\x1b\[\d+m", term.raw), "there is colour")
        term.press("q")
        tap.expect_equal(term.wait(), 0, "exit code")


HOSTILE = "x\x1b]0;y\x07\x1b[31mz\u202e\u009b5m\n\r\t" + "w" * 4000
NASTY = {
    "status": {"daemon": HOSTILE, "version": HOSTILE, "state": HOSTILE, "sentences": [HOSTILE], "pid": 1 << 60},
    "rooms": {"rooms": [{"code": HOSTILE, "clients": -1, "gateway": HOSTILE}, {"code": "ROOM1"}, 7, None, {}]},
    "peers": {"peers": [{"id": 1 << 62, "room": HOSTILE, "role": HOSTILE, "mac": HOSTILE, "address": HOSTILE,
                         "agent": HOSTILE, "rtt_ms": 1e300, "drops": {HOSTILE: 1 << 62}, "rx_bytes": 1 << 62},
                        [], "x", {"id": HOSTILE, "room": "ROOM1"}]},
    "stats": {"counters": 5},
}


@plan.case("whatever a daemon says, the terminal obeys none of it [OPS-3]")
def hostile_text(party):
    path = party.path("hostile.sock")
    with hostile.false_daemon(path, NASTY):
        argv = [daemons.program("softlanctl"), "-s", path, "top"]
        with terminal.Terminal(argv, columns=300) as term:
            term.until("a picture", lambda: "\\x1b]0;y\\x07" in term.line(1) and len(rows(term)) == 5)
            for key in (END, HOME, DOWN, ENTER, "f", "b", "t", "d", "n", "r", ESC, END, ENTER, END):
                term.press(key)
                term.read(0.15)
            term.until("its peers", lambda: term.line(3).startswith("room "))
            for bad in (b"\x1b]", b"\x07", b"\xc2\x9b", b"\xe2\x80\xae", b"\t"):
                tap.expect(bad not in term.raw, f"{bad!r} came through")
            term.press("q")
            tap.expect_equal(term.wait(), 0, "exit code")
            tap.expect_equal(term.restored(), [], "left behind")


if __name__ == "__main__":
    plan.main()
