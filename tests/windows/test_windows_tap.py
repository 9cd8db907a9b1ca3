#!/usr/bin/python3 -B
"""softlan-client.exe and TAP-Windows6 adapters: which one it takes, what it asks of the driver and in which order, what it
says when it can't have one."""

import os
import re
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "scripts"))
from party import daemons, standard, tap, traffic  # noqa: E402  pylint: disable=C0413
import adapter as adapters  # noqa: E402  pylint: disable=C0413
import client  # noqa: E402  pylint: disable=C0413
import tables  # noqa: E402  pylint: disable=C0413
import wine  # noqa: E402  pylint: disable=C0413

MAC = "02:00:00:00:0a:01"
FACTORY = "00:ff:12:34:56:78"
ADDRESS = "020000000A01"
INSTALL = "install TAP-Windows6 9.27 or later (the package tap-windows of OpenVPN's community download)"
SETUPAPI = (["-std=c11", "-shared", "-static-libgcc"], ["setupapi.c"], [])
NOTHING, DENIED = 1, 5  # what a restart comes to, see setupapi.c


def build():
    with standard.building() as party:
        party.relayd = daemons.make_relay(party).start()
        windows = party.windows = wine.Prefix(party, "c1")
        windows.load_driver()
        party.client = client.WindowsClient(party, windows, mac=MAC)
        party.netd = tables.Netd(windows, party.client.path)
        windows.prefer_dll(wine.compiled("setupapi.dll", *SETUPAPI), party.client.path)
        # What the client sends to DNS and relays, from before its first start on.
        party.sniffed = party.path("sniffed.txt")
        with open(party.sniffed, "wb") as text:
            sniffer = party.c1.popen(["tcpdump", "--immediate-mode", "-n", "-tt", "-l", "-i", "any",
                                      "udp port 53 or udp port 443"], stdout=text, stderr=subprocess.PIPE)
        party.processes.append(sniffer)
        if not any(b"listening" in line for line in sniffer.stderr):
            raise RuntimeError("tcpdump has ended")
    return party


def end(party):
    party.client.stop()
    party.relayd.stop()


plan = tap.Plan(build, ("client and relay end in order", end), wine.client_unusable)


def packets(party):
    """Times of the client's packets so far."""
    time.sleep(0.3)  # tcpdump's own
    with open(party.sniffed, encoding="ascii", errors="replace") as file:
        return [float(line.split()[0]) for line in file if re.match(r"\d+\.\d+ ", line)]


def run(party, *words):
    """softlan-client.exe to its end: exit code and output."""
    process = party.windows.popen([party.client.path, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = process.communicate(timeout=30)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return process.returncode, output.decode("utf-8").replace("\r\n", "\n")


def refused(party, code, sentence, instance_id=None):
    """It starts, says this and ends with this exit code; no packet has left for DNS or a relay."""
    before = len(packets(party))
    party.client.settings["tap"] = {"instance_id": instance_id} if instance_id else {}
    party.client.write_config()
    got, output = run(party, "-c", party.client.config)
    tap.expect(sentence in output, f"not said: {sentence}\nbut: {output}")
    tap.expect_equal(got, code, f"exit code after {output}")
    tap.expect_equal(len(packets(party)), before, "packets")
    return output


def restarts(party, way):
    party.windows.registry_set("HKLM\\Software\\softlan-test", "Restart", way)


def listed(party):
    code, output = run(party, "--list-tap-adapters")
    tap.expect_equal(code, 0, f"exit code of --list-tap-adapters: {output}")
    return [line.split("\t") for line in output.splitlines()]


@plan.case("no adapter: it says how to install one; the list says so, too, and ends with 0 [WIN-1]")
def none(party):
    refused(party, 1, f"this computer has no TAP-Windows6 adapter; {INSTALL}, or where it is installed make an adapter "
                      "with: tapctl create\n")
    tap.expect_equal(listed(party), [[f"No TAP-Windows6 adapter: {INSTALL}, or make an adapter with: tapctl create"]],
                     "the list")


@plan.case("what else stands in the registry, or stands there wrongly, is no adapter [WIN-1]")
def garbage(party):
    windows, key = party.windows, f"{adapters.CONTROL}\\Class\\{adapters.CLASS}"
    good = "{A0000000-1111-2222-3333-444444444444}"
    for number, (component, instance) in enumerate((
            ("wintun", good), ("tap0901", "..\\..\\x"), ("tap0901", good + "x"), ("tap0901", ""), ("tap0901x", good),
            ("", good), ("tap0901", "{" + "A" * 1500 + "}"), ("T" * 1500, good), ("tap0901", 7), (7, good)), 100):
        windows.registry_set(f"{key}\\{number:04d}", "ComponentId", component)
        windows.registry_set(f"{key}\\{number:04d}", "NetCfgInstanceId", instance)
    for number, kind in ((200, "expand"), (201, "multi")):
        windows.registry_set(f"{key}\\{number:04d}", "ComponentId", "tap0901", kind)
        windows.registry_set(f"{key}\\{number:04d}", "NetCfgInstanceId", good)
    windows.registry_set(f"{key}\\Properties", "ComponentId", "tap0901")
    windows.registry_set(f"{key}\\Properties", "NetCfgInstanceId", good)
    windows.registry_set(f"{key}\\0300", "ComponentId", "tap0901")
    tap.expect_equal(listed(party)[0][0][:14], "No TAP-Windows", "the list")
    windows.registry_set(f"{key}\\0400", "ComponentId", "Root\\TAP0901")
    windows.registry_set(f"{key}\\0400", "NetCfgInstanceId", good.lower())
    tap.expect_equal(listed(party), [[good, "without a name", "version unknown", "disabled"]], "the one that is right")
    windows.registry_set(f"{key}\\0400", "DriverDesc", "TAP\x1b[2J Adapter " + "x" * 400)
    windows.registry_set(f"{key}\\0400", "DriverVersion", "9.27" * 30)
    name, version = listed(party)[0][1:3]
    tap.expect_equal((name[:17], len(name), version), ("TAP?[2J Adapter x", 255, ("9.27" * 30)[:31]), "name and version")
    windows.registry_delete(key)


@plan.case("the driver has another MAC, and its restart changes nothing: NetworkAddress is written, media down, no packet "
           "leaves, and it says what to do [WIN-2 WIN-4]")
def mac_stays(party):
    party.tap = adapters.Adapter(party.windows, "softlan", FACTORY)
    restarts(party, NOTHING)
    tap.expect_equal(party.windows.registry_get(party.tap.class_key, "NetworkAddress"), None, "NetworkAddress before")
    refused(party, 1, f'TAP adapter "softlan": its driver was restarted and keeps the MAC {FACTORY} instead of this client\'s '
                      f'{MAC}; disable and enable the adapter "softlan" in Device Manager, or restart the computer, then '
                      "start softlan-client again\n")
    tap.expect_equal(party.windows.registry_get(party.tap.class_key, "NetworkAddress"), ADDRESS, "NetworkAddress")
    events = [entry["event"] for entry in party.tap.log()]
    tap.expect_equal(events, ["back", *["opened", "get-version", "media", "get-mac", "closed"] * 2], "the driver's log")
    tap.expect_equal([up for _, up in party.tap.media_log()], [False, False], "media")


@plan.case("the restart is not possible: it says why, and what to do [WIN-4]")
def no_restart(party):
    sentence = (f'TAP adapter "softlan": its driver has the MAC {FACTORY}, and this client\'s {MAC} is read when the driver '
                'starts, which cannot be done from here (%s); disable and enable the adapter "softlan" in Device Manager, or '
                "run softlan-client as administrator\n")
    restarts(party, DENIED)
    refused(party, 1, sentence % "access denied")
    restarts(party, 87)
    refused(party, 1, sentence % "Windows error 0x57")
    instance = f"{adapters.ENUM}\\{party.tap.number:04d}"
    driver = party.windows.registry_get(instance, "Driver")
    party.windows.registry_delete(instance, "Driver")
    refused(party, 1, sentence % "Windows error 0xe000020b")
    party.windows.registry_set(instance, "Driver", driver)


@plan.case("an old driver, one with a small MTU, an adapter in use, a disabled one [WIN-3]")
def unfit(party):
    party.tap.set(mac=MAC, version="9.26")
    refused(party, 1, 'TAP adapter "softlan": its driver is TAP-Windows 9.26, in which a frame can overwrite the kernel\'s '
                      f"memory (CVE-2024-1305); {INSTALL}\n")
    tap.expect_equal(listed(party)[0][2:], ["9.26", "driver too old"], "the list")
    party.tap.set(version="9.27", mtu=1400)
    refused(party, 1, 'TAP adapter "softlan": its driver\'s MTU is 1400, less than the LAN\'s 1500; in Device Manager, '
                      "Properties, Advanced set MTU to 1500\n")
    party.tap.set(mtu=1500, busy=1)
    refused(party, 1, 'TAP adapter "softlan" is in use by another program (another softlan-client, OpenVPN?); end that '
                      "program, or make an adapter of its own for softlan (tapctl create) and set tap.instance_id\n")
    tap.expect_equal(listed(party)[0][2:], ["9.27.0.0", "in use"], "the list")
    party.tap.set(busy=0, plugged=0)
    refused(party, 1, 'TAP adapter "softlan" is disabled, or its driver does not run (Windows error 2); enable it in Device '
                      "Manager\n")
    tap.expect_equal(listed(party)[0][2:], ["9.27.0.0", "disabled"], "the list")
    party.tap.set(plugged=1)


@plan.case("two adapters: it asks for the id, names both, and takes the one of the id in any form [WIN-1]")
def two(party):
    other = adapters.Adapter(party.windows, "OpenVPN TAP-Windows6", MAC, stack=False, number=1, component="root\\tap0901")
    both = f"{party.tap.guid} (softlan), {other.guid} (OpenVPN TAP-Windows6)"
    refused(party, 2, "this computer has 2 TAP-Windows6 adapters; set tap.instance_id to the one that softlan may have: "
                      f"{both}\n")
    alien = "{00000000-0000-0000-0000-000000000000}"
    refused(party, 2, f'tap.instance_id "{alien}" is none of this computer\'s TAP-Windows6 adapters: {both}\n', alien)
    refused(party, 2, "tap.instance_id: expected an adapter's id, such as", "softlan")
    tap.expect_equal(listed(party), [[party.tap.guid, "softlan", "9.27", "ready"],
                                     [other.guid, "OpenVPN TAP-Windows6", "9.27", "ready"]], "the list")
    other.set(busy=1)
    before = party.tap.log()[-1]["number"]
    for form in (other.guid, other.guid.lower(), other.guid.strip("{}"), other.guid.strip("{}").lower()):
        refused(party, 1, 'TAP adapter "OpenVPN TAP-Windows6" is in use', form)
    tap.expect_equal(party.tap.log(before), [], "what the first one's driver was asked")
    tap.expect_equal(party.windows.registry_get(other.class_key, "NetworkAddress"), None, "NetworkAddress of one in use")
    other.remove()
    party.client.settings["tap"] = {}


@plan.case("the driver is restarted where it may be: NetworkAddress, media down, MAC and MTU are settled before the first "
           "packet for DNS [WIN-2 WIN-4]")
def settled(party):
    windows = party.windows
    restarts(party, 0)
    windows.registry_delete(party.tap.class_key, "NetworkAddress")
    party.tap.set(mac=FACTORY)
    before, number = len(packets(party)), party.tap.log()[-1]["number"]
    party.client.settings["relay"] = "relay.party.test"
    party.client.start(wait=False)
    try:
        traffic.eventually("a packet for DNS", lambda: len(packets(party)) > before, 20)
        first = packets(party)[before]
        opened = ["opened", "get-version", "media", "get-mac"]
        log = party.tap.log(number)
        tap.expect_equal([entry["event"] for entry in log], [*opened, "closed", "gone", "back", *opened, "get-mtu"],
                         "the driver's log")
        tap.expect(not any(entry["value"] for entry in log if entry["event"] == "media"), f"media up: {log}")
        written = windows.registry_written(party.tap.class_key)
        tap.expect_equal(windows.registry_get(party.tap.class_key, "NetworkAddress"), ADDRESS, "NetworkAddress")
        tap.expect(log[0]["time"] - 60 < written < first, f"NetworkAddress written at {written}, first packet at {first}")
        tap.expect(log[-1]["time"] < first, f"first packet at {first}: {log}")
        print(f"# NetworkAddress {(first - written) * 1000:.0f} ms, the driver's last answer "
              f"{(first - log[-1]['time']) * 1000:.0f} ms before the first packet")
    finally:
        party.client.stop()
    tap.expect_equal(party.tap.state()["media"], 0, "media")


@plan.case("joined: 32 reads wait, media is up; the next start writes and restarts nothing; Ctrl-C takes media down first "
           "[WIN-2 WIN-3 WIN-7]")
def joined(party):
    written = party.windows.registry_written(party.tap.class_key)
    number = party.tap.log()[-1]["number"]
    party.client.settings["relay"] = "203.0.113.10"
    party.client.start()
    traffic.eventually("32 reads wait", lambda: party.tap.state()["reads"] == 32)
    status = party.client.status()["tap"]
    tap.expect_equal((status["name"], status["driver"], status["mac"], status["state"]),
                     ("softlan", "TAP-Windows 9.27", MAC, "up"), "status")
    party.client.stop()
    tap.expect_equal([(entry["event"], entry["value"]) for entry in party.tap.log(number)],
                     [("opened", 0), ("get-version", 0), ("media", 0), ("get-mac", 0), ("get-mtu", 0), ("media", 1),
                      ("media", 0), ("closed", 0)], "the driver's log")
    tap.expect_equal(party.windows.registry_written(party.tap.class_key), written, "when the key was written")


@plan.case("reads longer than Ethernet's frames are counted and dropped, and the next frames come [WIN-3]")
def oversize(party):
    party.client.start()
    party.c1.batch(["link set softlan mtu 8000"])
    port = lambda: party.client.ctl("stats")["port"]  # noqa: E731
    with party.c1.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind(("softlan", 0))
    with sock:
        own = bytes.fromhex("ffffffffffff" + MAC.replace(":", "") + "88b5")
        before = port()
        for size in (1519, 2048, 2049, 8000):
            sock.send(own + bytes(size - len(own)))
        traffic.eventually("four are counted", lambda: port()["rx_oversize"] - before["rx_oversize"] == 4, 10)
        middle = port()
        for size in (1514, 60):
            sock.send(own + bytes(size - len(own)))
        traffic.eventually("two more come", lambda: port()["rx_frames"] - middle["rx_frames"] >= 2, 10)
    tap.expect_equal(port()["rx_oversize"] - before["rx_oversize"], 4, "rx_oversize at the end")
    tap.expect(party.tap.state()["reads"] >= 30, f"reads that wait: {party.tap.state()}")


@plan.case("kill -9: the driver takes media down, and the next start has the adapter [WIN-7]")
def killed(party):
    party.client.kill()
    traffic.eventually("closed", lambda: not party.tap.state()["opened"])
    tap.expect_equal(party.tap.state()["media"], 0, "media")
    party.client.start()


@plan.case("a disabled adapter ends it, with the reason; enabled again, it starts [WIN-3]")
def disabled(party):
    party.tap.set(plugged=0)
    code = party.client.process.wait(20)
    party.client.process = None
    words = party.client.log()
    sentence = "softlan (the adapter was disabled or removed; enable it in Device Manager, then start softlan-client again)"
    tap.expect(sentence in words, f"not said: {sentence}: {words[-1500:]}")
    tap.expect_equal(code, 1, "exit code")
    party.tap.set(plugged=1)
    party.client.start()
    traffic.eventually("32 reads wait", lambda: party.tap.state()["reads"] == 32)


if __name__ == "__main__":
    plan.main()
