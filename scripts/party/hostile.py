"""Hostile parties: a peer, a relay (tests/tools) and a control socket that keep no rule; and the events that people
hear of."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time

from . import daemons, frames, ns, topology

MAC = "02:66:6f:65:00:01"  # the hostile peer's


class Lines:
    """A program that prints one JSON object a line: collected, with the time, by a thread of its own."""

    def __init__(self, name, process):
        self.name, self.process = name, process
        self.events = []  # (time, object)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append((time.monotonic(), json.loads(line)))

    def seen(self, event, **members):
        """The objects so far with this `event` and these members."""
        return [one for _, one in self.timed(event, **members)]

    def timed(self, event, **members):
        return [(when, one) for when, one in list(self.events) if one.get("event") == event
                and all(one.get(name) == value for name, value in members.items())]

    def wait(self, event, timeout=5, count=1, **members):
        """The first such object, once there are `count`; AssertionError says what came instead."""
        end = time.monotonic() + timeout
        while len(found := self.seen(event, **members)) < count:
            if time.monotonic() > end or (self.process.poll() is not None and not self.thread.is_alive()):
                last = [one for _, one in self.events[-5:]]
                raise AssertionError(f"{self.name}: no `{event}` {members} within {timeout} s; it said {last}")
            time.sleep(0.01)
        return found[0]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()


class Watch(Lines):
    """`softlanctl watch` of a daemon."""

    def __init__(self, daemon):
        super().__init__(f"watch of {daemon.name}", subprocess.Popen(
            [daemons.program("softlanctl"), "-j", "-s", daemon.control, "watch"], stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL, text=True, env=daemons.environment()))
        time.sleep(0.3)  # it has no word for "I am listening now"
        if self.process.poll() is not None:
            self.close()
            raise daemons.DaemonFailed(f"softlanctl watch on {daemon.name}: exit {self.process.returncode}")


@contextlib.contextmanager
def false_daemon(path, answers):
    """A control socket that answers as no softlan daemon would: answers[verb] as JSON."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(8)

    def serve():
        while True:
            try:
                reader, _ = server.accept()
            except OSError:
                return
            with reader, contextlib.suppress(OSError):
                verb = reader.recv(4096).decode().split()[1]
                reader.sendall(b"OK\n" + json.dumps(answers[verb]).encode())
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        server.close()
        os.unlink(path)


class Tool(Lines):
    """rawpeer or rawrelay, in a namespace of the party."""

    def __init__(self, party, role, name, argv):
        with open(party.path(f"{name}.log"), "ab") as self.log:
            process = party.spaces[role].popen([daemons.program(f"tests/tools/{name}"), *argv], text=True,
                                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                               env=daemons.environment())
        party.processes.append(process)
        self.party, self.log_path = party, party.path(f"{name}.log")
        super().__init__(name, process)

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def datagram(self, data):
        """A datagram, header and all."""
        self.command("datagram " + data.hex())

    def message(self, kind, **members):
        """The control messages of this type that came."""
        return [one["message"] for one in self.seen("message")
                if one["message"].get("type") == kind
                and all(one["message"].get(name) == value for name, value in members.items())]

    def end(self, timeout=5):
        """Lets it leave in order; a wrong exit code is an error, a sanitizer's report too."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = "no end"
        self.close()
        if self.process in self.party.processes:
            self.party.processes.remove(self.process)
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            said = file.read()
        if code != 0 or daemons.REPORTS.search(said):
            raise ns.CommandFailed(f"{self.name}: exit {code}: {said.strip()[-2000:]}")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self.end()
        except (ns.CommandFailed, OSError):
            if kind is None:
                raise


class RawPeer(Tool):
    """A peer that speaks the protocol and skips every check."""

    def __init__(self, party, space="c1", role="client", room="ROOM1", mac=MAC, options=()):
        self.mac = mac
        super().__init__(party, space, "rawpeer", [
            "--relay", topology.RELAY, "--ca", party.path("relay.der"), "--room", room, "--role", role, "--mac", mac,
            *options])
        try:
            self.welcome = self.wait("joined", 10)
        except AssertionError:
            self.close()
            raise
        self.id = self.welcome["peer"]

    def send(self, frame):
        self.command(frame.hex() or "datagram " + (b"\x11\0" + self.id.to_bytes(2, "big")).hex())

    def flood(self, rate, seconds, to=frames.BROADCAST):
        self.command(f"flood {rate} {seconds} {to}")

    def received(self):
        return [bytes.fromhex(one["frame"]) for one in self.seen("frame")]


class RawRelay(Tool):
    """A relay that keeps no rule; it must be there before the endpoint is started."""

    def __init__(self, party, options=()):
        super().__init__(party, "relay", "rawrelay", [
            "--listen", f"{topology.RELAY}:443", "--state", party.path("relay-state"), "--der",
            party.path("relay.der"), *options])
        self.wait("listening")

    def announce(self, peer, role, mac=None):
        message = {"type": "peer_joined", "peer_id": peer, "role": role}
        self.command("message " + json.dumps({**message, "mac": mac} if mac else message))

    def send(self, peer, frame):
        if frame:
            self.command(f"frame {peer} {frame.hex()}")
        else:
            self.datagram(b"\x11\0" + peer.to_bytes(2, "big"))
