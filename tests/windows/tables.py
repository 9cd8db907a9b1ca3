"""The double of iphlpapi.dll for a Windows machine, from the tests' side: iphlpapi.c beside the program, netd.py in the
namespace."""

import json
import os
import socket
import sys
import time

import wine

ACCESS_DENIED, NOT_FOUND = 5, 1168
HERE = os.path.dirname(os.path.abspath(__file__))
SHIM = (["-std=c11", "-shared", "-static-libgcc"], ["iphlpapi.c"], ["-lws2_32"])
CHANGES = ("CreateIpForwardEntry2", "DeleteIpForwardEntry2", "SetIpInterfaceEntry", "CreateUnicastIpAddressEntry",
           "DeleteUnicastIpAddressEntry")


class Netd:
    """For one prefix; `exe` is the installed program's path on Linux."""

    def __init__(self, prefix, exe):
        name = os.path.basename(prefix.path)
        self.control_path = prefix.party.path(f"{name}-netd.sock")
        port_file = os.path.join(os.path.dirname(exe), "netd.port")
        self.process = prefix.party.spawn(prefix.space.role, [sys.executable, "-B", os.path.join(HERE, "netd.py"), port_file,
                                                 self.control_path], log=f"{name}-netd.log", own_sysfs=False)
        end = time.monotonic() + 5
        while not os.path.exists(port_file):
            if time.monotonic() > end:
                raise TimeoutError("netd.py does not start")
            time.sleep(0.01)
        prefix.prefer_dll(wine.compiled("iphlpapi.dll", *SHIM), exe)

    def ask(self, **request):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(self.control_path)
            sock.sendall(json.dumps(request).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                if not (part := sock.recv(1 << 20)):
                    raise EOFError("netd.py has ended")
                data += part
        return json.loads(data)

    def log(self):
        """Each call so far: time, call, words, code."""
        return self.ask()["log"]

    def changes(self):
        """Calls that changed something, in their order, as texts."""
        return [" ".join([one["call"], *one["words"]]) for one in self.log() if one["call"] in CHANGES and not one["code"]]

    def clear(self):
        """Forgets the log and the faults."""
        self.ask(clear=True)

    def fail(self, call, code, after=0, times=1):
        """This call fails, `times` times, after so many have passed."""
        self.ask(fail=[call, code, after, times])

    def settings(self):
        """By (index, 4 or 6)."""
        return {(index, version): values for index, version, values in self.ask()["settings"]}

    def change_settings(self, index, version, **values):
        """As another program would."""
        self.ask(settings=[index, version, values])
