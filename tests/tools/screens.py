#!/usr/bin/python3 -B
"""Prints the screens of softlanctl that README.md shows, from a real party and through a terminal emulator."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, standard, terminal, topology, traffic  # noqa: E402

PLAYED = 8  # seconds of two players' pings and a download before the screens are taken


def show(daemon, verb, columns):
    argv = [daemons.program("softlanctl"), "-s", daemon.control, verb]
    with terminal.Terminal(argv, columns=columns, lines=14 if verb == "top" else 60) as term:
        if verb == "top":
            time.sleep(1)
            term.until("rates", lambda: " - " not in term.text(), 20)
            term.press("\r")  # into the room
            term.until("its peers", lambda: term.line(3).startswith("room "))
            text = term.text()
            term.press("q")
        term.wait()
        if verb != "top":
            text = term.text()
    print(f"    $ softlanctl {verb}")
    print("\n".join(f"    {line}".rstrip() for line in text.splitlines()), end="\n\n")


def main():
    with standard.start() as party:
        threads = [threading.Thread(target=traffic.ping_times, args=(party.spaces[role], topology.LAN_HOST, 800, 0.02))
                   for role in party.clients]
        threads.append(threading.Thread(target=traffic.iperf, args=(party, "lan", "c1", topology.LAN_HOST),
                                        kwargs={"seconds": 16, "udp_rate": "4M", "length": 1000, "reverse": True}))
        for thread in threads:
            thread.start()
        time.sleep(PLAYED)
        for verb, columns in (("status", 110), ("rooms", 110), ("peers", 200), ("top", 110)):
            show(party.relayd, verb, columns)
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
