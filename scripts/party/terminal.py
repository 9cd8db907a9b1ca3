"""A terminal for a program that wants one: a real pty, and pyte as the screen."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte


class Terminal:
    """A program on a pty of its own; a context manager. `raw` is all that it wrote."""

    def __init__(self, argv, columns=120, lines=24, env=None):
        self.raw = b""
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.master, self.slave = pty.openpty()  # the slave stays open: what the program did to it can be seen
        self.resize(columns, lines)
        self.before = termios.tcgetattr(self.slave)
        self.code = None
        self.pid = os.fork()
        if self.pid == 0:
            self._run(argv, dict(os.environ, TERM="xterm-256color") if env is None else env)

    def _run(self, argv, env):
        try:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for number in (0, 1, 2):
                os.dup2(self.slave, number)
            os.closerange(3, 256)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.execve(argv[0], argv, env)
        finally:
            os._exit(127)

    def resize(self, columns, lines):
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds=0.1):
        """What comes within that time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                break
            try:
                data = os.read(self.master, 65536)
            except OSError:  # nobody has the other side open any more
                break
            if not data:
                break
            self.raw += data
            self.stream.feed(data)

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def line(self, number):
        return self.screen.display[number].rstrip()

    def until(self, what, test, timeout=10):
        """Reads until test() is true."""
        end = time.monotonic() + timeout
        while not test():
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not within {timeout} s; the screen:\n{self.text()}")
            self.read(0.05)

    def press(self, keys):
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)

    def wait(self, timeout=5):
        """Its end: the exit code, or minus the signal."""
        end = time.monotonic() + timeout
        while self.code is None:
            self.read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                raise AssertionError(f"still running after {timeout} s; the screen:\n{self.text()}")
        self.read(0.05)
        return self.code

    def restored(self):
        """Was the terminal given back? Its settings are the old ones, cursor, wrapping and first screen are back."""
        problems = []
        if termios.tcgetattr(self.slave) != self.before:
            problems.append("other settings")
        for on, off, what in ((b"\x1b[?1049h", b"\x1b[?1049l", "the second screen"),
                              (b"\x1b[?25l", b"\x1b[?25h", "no cursor"), (b"\x1b[?7l", b"\x1b[?7h", "no wrapping")):
            if self.raw.rfind(off) < self.raw.rfind(on):
                problems.append(what)
        return problems

    def close(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for descriptor in (self.master, self.slave):
            if descriptor >= 0:
                os.close(descriptor)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
