#!/usr/bin/python3 -B
"""A Linux TAP as the IP stack behind a fake TAP-Windows6 adapter: its frames go to helper.exe over loopback UDP, and
back. As long as the adapter's media is down, it has no carrier.

    tun_bridge.py NAME

Prints `port N` for helper.exe's `bridge` verb. A datagram is a batch of records: a 32-bit length and the frame; or one
of the words MEDIA and TAKEN with nothing behind.
"""

import contextlib
import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF, TUNSETCARRIER = 0x400454CA, 0x400454E2
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
BATCH = 40000  # bytes: with the frame that comes last, still below FT_BATCH
UNDER_WAY = 2  # batches that the driver may have yet to take: then the kernel's queue waits, and the sender with it
MEDIA, TAKEN = 0x80000000, 0xC0000000  # as in faketap.h and helper_bridge.c
WORD = struct.Struct("<I")


def open_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    set_carrier(tap, False)
    return tap


def set_carrier(tap, there):
    fcntl.ioctl(tap, TUNSETCARRIER, struct.pack("i", there))


def read_batch(tap):
    parts, size = [], 0
    with contextlib.suppress(BlockingIOError):
        while size < BATCH:
            frame = os.read(tap, 9018)
            parts += (WORD.pack(len(frame)), frame)
            size += len(frame) + WORD.size
    return b"".join(parts)


def write_batch(tap, batch):
    """Returns how many batches the driver has taken, as it says here."""
    at = taken = 0
    while at + WORD.size <= len(batch):
        word, = WORD.unpack_from(batch, at)
        at += WORD.size
        if word == TAKEN:
            taken += 1
        elif word & MEDIA:
            set_carrier(tap, word & 1)
        else:
            with contextlib.suppress(OSError):  # the interface is down
                os.write(tap, batch[at:at + word])
            at += word
    return taken


def main(name):
    tap = open_tap(name)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("127.0.0.1", 0))
    print(f"port {sock.getsockname()[1]}", flush=True)
    peer = None  # the helper that spoke last
    under_way = 0
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    while True:
        if peer and under_way < UNDER_WAY:
            poll.register(tap, select.POLLIN)
        else:
            with contextlib.suppress(KeyError):
                poll.unregister(tap)
        ready = {fd for fd, _ in poll.poll()}
        if sock.fileno() in ready:
            batch, source = sock.recvfrom(65536)
            if source != peer:
                peer, under_way = source, 0
            under_way -= write_batch(tap, batch)
        if tap in ready and (batch := read_batch(tap)):
            sock.sendto(batch, peer)
            under_way += 1


if __name__ == "__main__":
    main(sys.argv[1])
