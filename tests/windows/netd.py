#!/usr/bin/python3 -B
"""The network's tables behind iphlpapi.c, in the namespace of a Windows machine.

Routes, addresses and the MTU are Linux' own; what Linux does not have (metrics of interfaces, default routes that are
not used) is kept here. Each call is logged with its time and can be made to fail.

    netd.py PORT-FILE CONTROL-SOCKET

The tests' side of the control socket is class Netd of tables.py."""

import ipaddress
import json
import os
import socket
import subprocess
import sys
import threading
import time

NOT_FOUND, EXISTS, INVALID, UNREACHABLE, UNSUPPORTED = 1168, 5010, 87, 1231, 50
AUTOMATIC_METRIC = 25


class Refused(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


def ip_json(*words):
    done = subprocess.run(["ip", "-j", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return json.loads(done.stdout or b"[]")


def change(*words):
    done = subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        print(f"ip {' '.join(words)}: {done.stdout.strip()}", flush=True)
        raise Refused(INVALID)


def link(index):
    """By its index: name, flags, mtu."""
    for one in ip_json("link", "show"):
        if one["ifindex"] == int(index):
            return one
    raise Refused(NOT_FOUND)


def indices():
    return {one["ifname"]: one["ifindex"] for one in ip_json("link", "show")}


def rows(version):
    """The routes: network, next hop (the unspecified address when on-link), index, metric."""
    names = indices()
    none = "0.0.0.0" if version == 4 else "::"
    found = []
    for one in ip_json(f"-{version}", "route", "show", "table", "main"):
        if one.get("type", "unicast") != "unicast" or "dev" not in one:
            continue
        dst = ("0.0.0.0/0" if version == 4 else "::/0") if one["dst"] == "default" else one["dst"]
        found.append((ipaddress.ip_network(dst), one.get("gateway", none), names[one["dev"]], one.get("metric", 0)))
    return found


class Tables:
    def __init__(self):
        self.lock = threading.Lock()
        self.settings = {}  # by (index, version)
        self.log = []
        self.faults = []  # [name, code, how many to let pass, how often]
        self.notify, self.best = True, True

    # --- what Windows is asked ---

    def interface(self, index, version):
        one = link(index)
        if version == 6:
            with open(f"/proc/sys/net/ipv6/conf/{one['ifname']}/disable_ipv6", encoding="ascii") as file:
                if file.read().strip() != "0":
                    raise Refused(NOT_FOUND)
        kept = self.settings.setdefault((int(index), version), {
            "metric": AUTOMATIC_METRIC, "automatic": 1, "mtu": one["mtu"], "disabled": 0})
        return one, kept

    def GetIpInterfaceEntry(self, index, version):  # pylint: disable=C0103
        one, kept = self.interface(index, int(version))
        connected = int("LOWER_UP" in one["flags"])
        return f"{kept['metric']} {kept['automatic']} {kept['mtu']} {kept['disabled']} {connected}"

    def SetIpInterfaceEntry(self, index, version, metric, automatic, mtu, disabled):  # pylint: disable=C0103,R0913,R0917
        one, kept = self.interface(index, int(version))
        kept.update(metric=AUTOMATIC_METRIC if int(automatic) else int(metric), automatic=int(automatic), mtu=int(mtu),
                    disabled=int(disabled))
        if version == "4" and int(mtu) != one["mtu"]:
            change("link", "set", "dev", one["ifname"], "mtu", mtu)

    def CreateIpForwardEntry2(self, dst, via, index, metric):  # pylint: disable=C0103
        network = ipaddress.ip_network(dst)
        if any(row[:3] == (network, via, int(index)) for row in rows(network.version)):
            raise Refused(EXISTS)
        hop = [] if ipaddress.ip_address(via).is_unspecified else ["via", via]
        change(f"-{network.version}", "route", "add", dst, *hop, "dev", link(index)["ifname"], "metric",
               metric if network.version == 4 or metric != "0" else "1")

    def DeleteIpForwardEntry2(self, dst, via, index, _metric):  # pylint: disable=C0103
        network = ipaddress.ip_network(dst)
        if not any(row[:3] == (network, via, int(index)) for row in rows(network.version)):
            raise Refused(NOT_FOUND)
        hop = [] if ipaddress.ip_address(via).is_unspecified else ["via", via]
        change(f"-{network.version}", "route", "del", dst, *hop, "dev", link(index)["ifname"])

    def GetIpForwardTable2(self, version):  # pylint: disable=C0103
        return "\n".join(f"{dst} {via} {index} {metric}" for dst, via, index, metric in rows(int(version)))

    def GetBestRoute2(self, to):  # pylint: disable=C0103
        if not self.best:
            raise Refused(UNSUPPORTED)
        to = ipaddress.ip_address(to)
        best = None
        for dst, via, index, metric in rows(to.version):
            try:
                one, kept = self.interface(index, to.version)
            except Refused:
                continue
            if to not in dst or "LOWER_UP" not in one["flags"] or (dst.prefixlen == 0 and kept["disabled"]):
                continue
            rank = (-dst.prefixlen, metric + kept["metric"])
            if best is None or rank < best[0]:
                best = rank, one["ifname"], f"{dst} {via} {index} {metric}"
        if best is None:
            raise Refused(UNREACHABLE)
        family = "inet" if to.version == 4 else "inet6"
        sources = [address["local"] for one in ip_json(f"-{to.version}", "address", "show", "dev", best[1])
                   for address in one.get("addr_info", []) if address["family"] == family]
        return f"{sources[0] if sources else ('0.0.0.0' if to.version == 4 else '::')} {best[2]}"

    def GetUnicastIpAddressTable(self):  # pylint: disable=C0103
        return ""  # wine's own

    def _address(self, address, index):
        name = link(index)["ifname"]
        for one in ip_json("address", "show", "dev", name):
            for entry in one.get("addr_info", []):
                if entry["local"] == address.split("/")[0]:
                    return name, f"{entry['local']}/{entry['prefixlen']}"
        return name, None

    def CreateUnicastIpAddressEntry(self, address, index):  # pylint: disable=C0103
        name, there = self._address(address, index)
        if there:
            raise Refused(EXISTS)
        change("address", "add", address, *(["nodad"] if ":" in address else ["broadcast", "+"]), "dev", name)

    def DeleteUnicastIpAddressEntry(self, address, index):  # pylint: disable=C0103
        name, there = self._address(address, index)
        if not there:
            raise Refused(NOT_FOUND)
        change("address", "del", there, "dev", name)

    # --- around it ---

    def fault(self, name):
        for one in self.faults:
            if one[0] == name and one[3] > 0:
                if one[2] > 0:
                    one[2] -= 1
                    continue
                one[3] -= 1
                return one[1]
        return 0

    def answer(self, line):
        name, *words = line.split()
        with self.lock:
            text, code = "", self.fault(name)
            try:
                if code == 0:
                    text = getattr(self, name)(*words) or ""
            except Refused as refused:
                code = refused.code
            self.log.append({"time": time.time(), "call": name, "words": words, "code": code})
        return f"{code} {text}"

    def control(self, request):
        """What the tests ask: names of requests with their arguments."""
        with self.lock:
            if "fail" in request:
                self.faults.append(list(request["fail"]))
            if "clear" in request:
                self.faults, self.log = [], []
            if "settings" in request:  # somebody else changes them
                index, version, values = request["settings"]
                self.interface(index, version)[1].update(values)
            self.notify = request.get("notify", self.notify)
            self.best = request.get("best", self.best)
            kept = [[index, version, values] for (index, version), values in self.settings.items()]
            return {"log": self.log, "settings": kept, "faults": self.faults}


def watch(sock, kind):
    """Passes on each change of routes, links or addresses, until the other side closes."""
    with sock, subprocess.Popen(["ip", "monitor", kind], stdout=subprocess.PIPE) as monitor:
        def end_with_it():
            while sock.recv(64):
                pass
            monitor.kill()
        threading.Thread(target=end_with_it, daemon=True).start()
        for line in monitor.stdout:
            try:
                sock.sendall(line[:32])
            except OSError:
                monitor.kill()


def read_line(sock):
    data = b""
    while not data.endswith(b"\n"):
        part = sock.recv(65536)
        if not part:
            break
        data += part
    return data.decode()


def serve_windows(tables, sock):
    line = read_line(sock).strip()
    if line.startswith("watch "):
        watch(sock, line.split()[1])
        return
    with sock:
        if line == "notify?":
            sock.sendall(b"0" if tables.notify else b"50")
        elif line:
            sock.sendall(tables.answer(line).encode())


def serve_test(tables, sock):
    with sock:
        sock.sendall(json.dumps(tables.control(json.loads(read_line(sock)))).encode() + b"\n")


def accept(listener, serve, tables):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(tables, sock), daemon=True).start()


def main():
    port_file, control = sys.argv[1:]
    tables = Tables()
    windows = socket.create_server(("127.0.0.1", 0), backlog=64)
    tests = socket.socket(socket.AF_UNIX)
    tests.bind(control)
    tests.listen(16)
    with open(port_file + ".new", "w", encoding="ascii") as file:
        file.write(f"{windows.getsockname()[1]}\n")
    os.rename(port_file + ".new", port_file)
    threading.Thread(target=accept, args=(tests, serve_test, tables), daemon=True).start()
    accept(windows, serve_windows, tables)


if __name__ == "__main__":
    main()
