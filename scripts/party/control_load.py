"""What a control socket must bear: silent readers, too long requests, garbage, one that reads a byte a second."""

import contextlib
import errno
import os
import random
import select
import socket
import threading
import time

from . import hostile

SILENT = 200
LONG = b"x" * 1_000_000
GARBAGE = (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SOFTLAN2 status\n", b"SOFTLAN1\n", b"SOFTLAN1 status\0\n", b"\n",
           b"SOFTLAN1 " + b"a " * 40 + b"\n", b"SOFTLAN1 \xff\xfe\x80 \x1b[2J\n", b"SOFTLAN1 rooms \xc2\n",
           b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", b"SOFTLAN1 dance\n")


def dial(path, timeout=5):
    """A connection; None when the daemon has no place in its queue now."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    try:
        sock.connect(path)
    except OSError as error:
        sock.close()
        if error.errno in (errno.EAGAIN, errno.ECONNREFUSED):
            return None
        raise
    return sock


def say(path, data, timeout=8):
    """Sends, and returns all that comes back until the daemon closes."""
    sock = dial(path)
    if sock is None:
        return b"ERR busy "
    answer = b""
    with sock:
        sock.settimeout(timeout)
        # Refused early: the reason can be read all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            while part := sock.recv(65536):
                answer += part
    return answer


class Silent:
    """Connections that say nothing; what they were told is kept as they are closed."""

    def __init__(self, path, count=SILENT):
        self.path, self.count = path, count
        self.open, self.told = [], []
        self.fill()

    def fill(self):
        """As many as there shall be, at once."""
        for _ in range(self.count - len(self.open)):
            sock = dial(self.path, timeout=1)
            if sock is None:  # the queue of those that wait to be let in is full
                continue
            sock.setblocking(False)
            self.open.append(sock)

    def look(self):
        """Takes note of those that were closed; returns how many are still open."""
        for sock in select.select(self.open, [], [], 0)[0]:
            data = b""
            with contextlib.suppress(BlockingIOError, ConnectionResetError):
                data = sock.recv(4096)
            if data:
                self.told.append(data)
            sock.close()
            self.open.remove(sock)
        return len(self.open)

    def close(self):
        for sock in self.open:
            sock.close()
        self.open = []


class Load:
    """All of it at once on some sockets, again and again, from one thread, with readers of `watch` that take a byte a
    second from another; a context manager. `problems`: answers that were none, and what ended a thread; `judged`:
    requests that were let in and refused for what they are; `heard`: bytes of events that were read."""

    def __init__(self, *paths):
        self.paths = paths
        self.problems, self.rounds, self.judged, self.heard = [], 0, 0, 0
        self.watches = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True)
                        for work in (self._attack, self._read_slowly)]

    def _guarded(self, work):
        try:
            work()
        except Exception as error:  # pylint: disable=W0718
            self.problems.append(f"the load has ended: {type(error).__name__}: {error}")

    def _expect_error(self, path, data):
        answer = say(path, data, timeout=20)
        if not answer.startswith(b"ERR ") or answer.count(b"\n") > 1:
            self.problems.append(f"{data[:40]!r} to {path}: {answer[:80]!r}")
        self.judged += not answer.startswith(b"ERR busy ")

    def _attack(self):
        silent = [Silent(path) for path in self.paths]
        chance = random.Random(1)
        while not self.stop.wait(0.2):
            for one in silent:
                one.look()
                if self.rounds % 2:  # every other round there are places for what follows
                    one.close()
                else:
                    one.fill()
            for path in self.paths:
                self._expect_error(path, LONG)
                for data in GARBAGE:
                    self._expect_error(path, data)
                self._expect_error(path, chance.randbytes(3000).replace(b"SOFTLAN1", b"") + b"\n")
            self.rounds += 1
        for one in silent:
            one.close()

    def _read_slowly(self):
        while not self.stop.wait(1):
            for sock in self.watches:
                with contextlib.suppress(BlockingIOError):
                    self.heard += len(sock.recv(1))

    def __enter__(self):
        for path in self.paths:
            sock = dial(path)
            sock.sendall(b"SOFTLAN1 watch\n")
            sock.setblocking(False)
            self.watches.append(sock)
        time.sleep(0.1)  # they are in before the others come
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        for sock in self.watches:
            sock.close()


class Joins:
    """Peers that come and go, one after the other: events for those that watch; a context manager."""

    def __init__(self, party):
        self.party, self.count, self.error = party, 0, None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            while not self.stop.wait(0.1):
                hostile.RawPeer(self.party, "c2").end()
                self.count += 1
        except Exception as error:  # pylint: disable=W0718
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def memory_kib(pid):
    """A process's resident memory."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmRSS:")).split()[1])


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
