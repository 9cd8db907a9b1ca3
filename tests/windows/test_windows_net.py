#!/usr/bin/python3 -B
"""src/net on Windows: net_check.exe, linked with the client's own code, checks clock, wake-ups, overlapped I/O, UDP,
look-ups and signals under wine, and says so itself."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import standard  # noqa: E402  pylint: disable=C0413
import wine  # noqa: E402  pylint: disable=C0413


def net_check():
    return os.path.join(wine.windows_build() or "", "tests", "windows", "net_check.exe")


def main():
    why = wine.client_unusable() or (None if os.path.exists(net_check()) else f"needs {net_check()}")
    if why:
        print(f"1..0 # SKIP {why}")
        return
    with standard.building() as party:
        try:
            party.windows = wine.Prefix(party, "c1")
            # wine's own services start with the first program and keep its output open: not this one.
            party.windows.service("softlan-client")
            print(party.windows.run([party.windows.install(net_check())], timeout=120), end="")
        finally:
            party.close()


if __name__ == "__main__":
    main()
