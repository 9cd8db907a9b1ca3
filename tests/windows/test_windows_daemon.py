#!/usr/bin/python3 -B
"""What all daemons do, on Windows: small_daemon.exe (the common main, its log, its control pipe, its service) and
softlanctl.exe, under wine. Readers of the pipe that keep no rule are nobody else's trouble."""

import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import standard, tap, traffic  # noqa: E402  pylint: disable=C0413
import wine  # noqa: E402  pylint: disable=C0413

PIPE = "\\\\.\\pipe\\softlan-small"
SERVICE = "softlan-small"
SOURCE = f"HKLM\\SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\{SERVICE}"
READ, WRITE = 0x80000000, 0x2
READERS, REQUEST_S, ANSWER_S = 32, 5, 10
PIECE = 2048  # bytes to a line of helper.exe
BROKEN, TIMEOUT, NO_DATA = 109, 258, 232
NOT_RUNNING = 3


def unusable():
    return wine.client_unusable() or (None if os.path.exists(small_daemon()) else f"needs {small_daemon()}")


def small_daemon():
    return os.path.join(wine.windows_build() or "", "tests", "windows", "small_daemon.exe")


def build():
    with standard.building() as party:
        party.windows = wine.Prefix(party, "c1")
        party.small = party.windows.install(small_daemon(), os.path.join(wine.windows_build(), "softlanctl.exe"))
        party.ctl = os.path.join(os.path.dirname(party.small), "softlanctl.exe")
        party.conf = party.path("small.conf")
        party.daemon = None
        # wine's own services start with the first program and keep its output open: not one whose end is waited for.
        party.windows.service(SERVICE)
    return party


def end(party):
    if party.daemon:
        party.daemon.kill()
    party.windows.close()


plan = tap.Plan(build, ("the prefix ends", end), unusable)


# --- the daemon and its readers ---

def configure(party, text, path=None):
    with open(path or party.conf, "w", encoding="utf-8") as file:
        file.write(text)


def start(party, text="number = 5;", *words):
    """The daemon, in a console."""
    configure(party, text)
    party.daemon = party.windows.start([party.small, "-c", party.conf, *words], "small")
    traffic.eventually("the daemon answers", lambda: softlanctl(party, "status")[0] == 0, 10, step=0.1)


def stop(party):
    party.daemon.ctrl_c()
    code = party.daemon.wait(10)
    party.daemon = None
    return code


def softlanctl(party, *words, timeout=30):
    """(exit code, stdout, stderr)"""
    process = party.windows.popen([party.ctl, "-s", PIPE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, errors = process.communicate(timeout=timeout)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return (process.returncode, *(text.decode("utf-8").replace("\r\n", "\n") for text in (output, errors)))


def status(party):
    code, output, errors = softlanctl(party, "-j", "status")
    tap.expect_equal(code, 0, f"softlanctl status: {errors}")
    return json.loads(output)


class Reader:
    """One that keeps no rule."""

    def __init__(self, party, access=READ | WRITE):
        self.machine = party.windows
        self.slot = self.machine.ask("pipe-open", PIPE, f"{access:x}")["slot"]

    def write(self, data, times=1):
        """The last Windows error, 0 for none. Refused early is no error of the test's."""
        pieces = [data[at:at + PIECE] for at in range(0, len(data), PIECE)] or [b""]
        return [self.machine.error_of("pipe-write", self.slot, piece.hex(), times) for piece in pieces][-1]

    def read(self, wait_ms, most=65536):
        """What one read brings; b"" at the end, None when there is nothing."""
        try:
            return bytes.fromhex(self.machine.ask("pipe-read", self.slot, wait_ms, most)["hex"])
        except wine.WindowsError as error:
            if error.code in (BROKEN, NO_DATA):
                return b""
            if error.code == TIMEOUT:
                return None
            raise

    def rest(self, wait_ms=2000):
        """All up to the end."""
        parts = []
        while part := self.read(wait_ms):
            parts.append(part)
        tap.expect(part == b"", f"no end within {wait_ms} ms after {b''.join(parts)[-200:]}")
        return b"".join(parts)

    def close(self):
        self.machine.ask("pipe-close", self.slot)


def answer_to(party, data):
    reader = Reader(party)
    reader.write(data)
    answer = reader.rest()
    reader.close()
    return answer


def expect_answers(party, within=3.0):
    began = time.monotonic()
    status(party)
    took = time.monotonic() - began
    tap.expect(took < within, f"{took:.2f} s for an answer")


# --- cases ---

@plan.case("status, a change of the level, a reload; an answer of 3 MB comes whole; exit codes as on Linux [OPS-3]")
def verbs(party):
    start(party)
    tap.expect_equal(status(party)["number"], 5, "number")
    code, output, _ = softlanctl(party)
    tap.expect(code == 0 and "number: 5" in output, f"status for people: {output}")
    tap.expect_equal(softlanctl(party, "log", "debug")[:2], (0, "The log level is debug now.\n"), "log debug")
    configure(party, "number = 7;")
    tap.expect_equal(softlanctl(party, "reload")[0], 0, "reload")
    tap.expect_equal(status(party)["number"], 7, "number after the reload")
    configure(party, "nomber = 7;")
    code, _, errors = softlanctl(party, "reload")
    tap.expect(code == 1 and "Did you mean number" in errors, f"a reload that is refused: {code} {errors}")
    tap.expect_equal(softlanctl(party, "rooms")[0], 1, "a verb that it does not have")
    tap.expect_equal(softlanctl(party, "nonsense")[0], 2, "a verb that there is not")
    numbers = json.loads(answer_to(party, b"SOFTLAN1 big\n").split(b"\n", 1)[1])
    tap.expect_equal((len(numbers), numbers[-1]), (400000, 1399999), "the long answer")


@plan.case("top without a console is usage; watch ends with 0 when the daemon does [OPS-3]")
def top(party):
    code, _, errors = softlanctl(party, "top")
    tap.expect(code == 2 and "needs a console" in errors, f"{code} {errors}")
    watcher = party.windows.start([party.ctl, "-s", PIPE, "-j", "watch"], "watch")
    traffic.eventually("events", lambda: watcher.output().count('"tick"') > 20, 10, step=0.1)
    tap.expect_equal(stop(party), 0, "the daemon's exit code")
    tap.expect_equal(watcher.wait(10), 0, "of watch")
    start(party)


@plan.case("the pipe is for SYSTEM, administrators and the daemon's own user, and a second daemon is refused [OPS-3]")
def access(party):
    reader = Reader(party)
    dacl = party.windows.ask("pipe-security", reader.slot)["dacl"]
    reader.close()
    entries = dacl[dacl.index("("):].strip("()").split(")(")
    whom = [entry.split(";")[5] for entry in entries]
    tap.expect(dacl.startswith("D:P"), f"inherits something: {dacl}")
    tap.expect(all(entry.startswith("A;") for entry in entries) and {"SY", "BA"} <= set(whom) and len(whom) == 3 and
               "WD" not in whom and "AN" not in whom, f"its list: {dacl}")
    output = party.windows.run([party.small, "-c", party.conf.replace("small.conf", "none.conf")], check=False)
    tap.expect("Create it" in output, f"without a file: {output}")
    configure(party, "number = 7;")
    output = party.windows.run([party.small, "-c", party.conf], check=False)
    tap.expect("another softlan daemon is running" in output, f"a second one: {output}")
    expect_answers(party)


@plan.case("60 silent readers: 32 are let in and told after 5 s, the others at once [OPS-3]")
def silent(party):
    began = time.monotonic()
    readers = [Reader(party) for _ in range(60)]
    told = [reader for reader in readers if reader.read(100) == b"ERR busy too many readers at once, try again\n"]
    tap.expect_equal(len(told), 60 - READERS, "sent away")
    kept = [reader for reader in readers if reader not in told]
    texts = {reader.rest(1000 * REQUEST_S + 2000) for reader in kept}
    took = time.monotonic() - began
    tap.expect_equal(texts, {b"ERR timeout the request was not complete within 5 s\n"}, "what the others were told")
    tap.expect(REQUEST_S - 1 < took < REQUEST_S + 4, f"after {took:.1f} s")
    for reader in readers:
        reader.close()
    expect_answers(party)


@plan.case("a request of 1 MB, one of 4,097 bytes, garbage, one in pieces, an end in the middle, an empty one [OPS-3]")
def garbled(party):
    too_long = b"ERR usage a request is one line of at most 4096 bytes\n"
    reader = Reader(party)
    reader.write(b"x" * 1024, 1024)
    tap.expect_equal(reader.rest(), too_long, "to 1 MB")
    reader.close()
    tap.expect_equal(answer_to(party, b"x" * 4097), too_long, "to 4,097 bytes")
    most = b"SOFTLAN1 nothing ".ljust(4095, b"y") + b"\n"
    tap.expect(answer_to(party, most).startswith(b"ERR unsupported "), "to 4,096 bytes")
    for garbage in (b"\n", b"GET / HTTP/1.1\r\n\r\n", bytes(range(1, 255)) + b"\n", b"SOFTLAN1 \0status\n",
                    b"SOFTLAN2 status\n", b"SOFTLAN1 " + b"a " * 40 + b"\n"):
        answer = answer_to(party, garbage)
        tap.expect(answer.startswith(b"ERR ") and answer.count(b"\n") == 1, f"to {garbage[:20]}: {answer}")
    reader = Reader(party)
    for piece in (b"SOFT", b"LAN1 st", b"", b"atus", b"\n"):
        reader.write(piece)
        time.sleep(0.1)
    tap.expect(reader.rest().startswith(b"OK\n{"), "to one in pieces")
    reader.close()
    for piece in (b"", b"SOFTLAN1 sta"):
        reader = Reader(party)
        reader.write(piece)
        reader.close()
    reader = Reader(party, READ)  # who may not write
    reader.close()
    expect_answers(party)


@plan.case("readers that take nothing: of a long answer for 10 s, of events that are lost; nobody else waits [OPS-3]")
def slow(party):
    lazy = Reader(party)
    lazy.write(b"SOFTLAN1 big\n")
    watcher = Reader(party)
    watcher.write(b"SOFTLAN1 watch\n")
    began = time.monotonic()
    while time.monotonic() < began + ANSWER_S + 2:
        expect_answers(party)
        time.sleep(1)
    rest = lazy.rest()
    tap.expect(rest.startswith(b"OK\n") and not rest.endswith(b"]\n"), f"the long answer, {len(rest)} bytes of it")
    lazy.close()
    text = b""
    while b'"event":"lost"' not in text and len(text) < 2 << 20:
        part = watcher.read(2000)
        tap.expect(part, f"the events ended or stopped after {len(text)} bytes: {part}")
        text += part
    tap.expect(text.startswith(b"OK\n"), f"it began with {text[:20]}")
    lines = [json.loads(line) for line in text.split(b"\n")[1:-1]]
    lost = [line for line in lines if line["event"] == "lost"]
    ticks = [line["n"] for line in lines if line["event"] == "tick"]
    tap.expect(lost and lost[0]["events"] > 0, f"what was lost: {lost}")
    tap.expect(ticks == sorted(ticks), "events out of order")
    watcher.close()
    expect_answers(party)


@plan.case("Ctrl-C ends it in order with 0; a mistake in the file with 2, a failure with 1; then softlanctl says 3 [OPS-2]")
def ends(party):
    tap.expect_equal(stop(party), 0, "exit code after Ctrl-C")
    code, _, errors = softlanctl(party, "status")
    tap.expect(code == NOT_RUNNING and "is it running" in errors, f"{code} {errors}")
    for text, expected in (("nomber = 1;", 2), ('mode = "invalid";', 2), ('mode = "failed";', 1), ('mode = "quit";', 1)):
        configure(party, text)
        process = party.windows.start([party.small, "-c", party.conf], "ending")
        tap.expect_equal(process.wait(20), expected, f"exit code with {text}")


@plan.case("arguments are UTF-8, %ProgramData% is Windows' own folder whatever the variable says [WIN-9]")
def paths(party):
    output = party.windows.run([party.small, "--check", "-c", "kämpfe 工.conf"], check=False)
    tap.expect(output.startswith("kämpfe 工.conf: expected a readable"), f"--check: {output}")
    configure(party, "number = 3;")
    output = party.windows.run([party.small, "--dump-config", "-c", party.conf], env={"ProgramData": "C:\\elsewhere"})
    tap.expect('file = "C:\\\\ProgramData\\\\softlan\\\\file";' in output, f"--dump-config: {output}")
    tap.expect('control_socket = "\\\\\\\\.\\\\pipe\\\\softlan-small";' in output, f"--dump-config: {output}")


@plan.case("a file in the place of its folder: it does not start, and says so [OPS-2]")
def folder_taken(party):
    place = party.windows.file("C:\\ProgramData\\softlan")
    shutil.rmtree(place, ignore_errors=True)
    with open(place, "w", encoding="ascii"):
        pass
    try:
        configure(party, "number = 3;")
        process = party.windows.start([party.small, "-c", party.conf], "folder")
        tap.expect_equal(process.wait(20), 1, "exit code")
        tap.expect("is not a folder" in process.output(), process.output())
    finally:
        os.unlink(place)


def service(party, action, *words, check=True):
    output = party.windows.run([party.small, "--service", action, *words], check=check)
    return "\n".join(line for line in output.splitlines() if "Invalid level" not in line)  # wine knows not all


@plan.case("a service that fails says so in the manager and the log; a mistake in the file is no failure to try again after "
           "[OPS-2]")
def service_ends(party):
    service(party, "install", "-c", "Z:" + party.conf)
    for text, shown, logged in (('mode = "failed";', "stopped, exit status 1", "it was to fail"),
                                ('mode = "invalid";', "stopped", "it was to be invalid"),
                                ("nomber = 1;", "stopped", "Did you mean number")):
        configure(party, text)
        output = service(party, "start", check=False)
        tap.expect("has ended at once" in output and "event log" in output, f"start with {text}: {output}")
        tap.expect_equal(service(party, "status", check=False), f"{SERVICE}: {shown}", f"status with {text}")
        tap.expect(logged in log(party).splitlines()[-1], f"the log with {text}: {log(party)[-300:]}")


def log(party, name="small.log"):
    with open(party.windows.file(f"C:\\ProgramData\\softlan\\{name}"), encoding="utf-8", newline="") as file:
        return file.read().replace("\r\n", "\n")


@plan.case("its log is put aside at 1 MB, once [OBS-1]")
def rotation(party):
    configure(party, "number = 1;")
    with open(party.windows.file("C:\\ProgramData\\softlan\\small.log"), "ab") as file:
        file.write(b"x" * (1 << 20) + b"\r\n")
    service(party, "start")
    tap.expect(log(party).startswith("20") and "ready, number 1" in log(party), f"the new one: {log(party)[:200]}")
    tap.expect(len(log(party, "small.log.1")) > 1 << 20, "the old one")
    output = party.windows.run([party.small, "-c", party.conf], check=False)
    tap.expect("another softlan daemon is running" in output, f"a second one in a console: {output}")
    service(party, "stop")
    tap.expect("ending" in log(party), f"the end: {log(party)}")
    service(party, "remove")
    tap.expect_equal(party.windows.service(SERVICE), None, "the service")
    tap.expect_equal(party.windows.error_of("reg-list", SOURCE), 2, "its event source")


if __name__ == "__main__":
    plan.main()
