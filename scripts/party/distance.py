"""A long way to the relay: a UDP forwarder on the internet's side that holds each datagram for a while. (The kernel's
netem is not everywhere.)"""

import heapq
import itertools
import select
import socket
import threading
import time

from . import topology

ADDRESS = "203.0.113.1"  # the internet's end of the relay's line


class Distance:
    """Who takes ADDRESS for the relay reaches it, `one_way` seconds away. Until close()."""

    def __init__(self, party, one_way):
        self.party, self.one_way = party, one_way
        self.front = self._socket()
        self.front.bind((ADDRESS, 443))
        self.behind = {}  # the endpoint's address -> our socket towards the relay
        self.endpoint = {}  # and back
        self.held, self.order = [], itertools.count()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _socket(self):
        sock = self.party.inet.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        return sock

    def _hold(self, sock):
        for _ in range(64):
            try:
                data, address = sock.recvfrom(65536)
            except (BlockingIOError, ConnectionRefusedError):
                return
            if sock is not self.front:
                way = (self.front, self.endpoint[sock])
            else:
                if address not in self.behind:
                    self.behind[address] = self._socket()
                    self.endpoint[self.behind[address]] = address
                way = (self.behind[address], (topology.RELAY, 443))
            heapq.heappush(self.held, (time.monotonic() + self.one_way, next(self.order), way, data))

    def _run(self):
        while not self.stopping.is_set():
            while self.held and self.held[0][0] <= time.monotonic():
                _, _, (sock, address), data = heapq.heappop(self.held)
                try:
                    sock.sendto(data, address)
                except OSError:
                    pass  # a full socket or a port that nobody has: lost, as on any path
            wait = max(0, self.held[0][0] - time.monotonic()) if self.held else 0.05
            for sock in select.select([self.front, *self.endpoint], [], [], min(wait, 0.05))[0]:
                self._hold(sock)

    def close(self):
        self.stopping.set()
        self.thread.join()
        for sock in (self.front, *self.endpoint):
            sock.close()
