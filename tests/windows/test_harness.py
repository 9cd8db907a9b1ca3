#!/usr/bin/python3 -B
"""The Windows tests' own ground: wine in a namespace, and a fake TAP driver that refuses what the real one refuses."""

import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "scripts"))
from party import standard, tap, traffic  # noqa: E402  pylint: disable=C0413
import adapter as adapters  # noqa: E402  pylint: disable=C0413
import wine  # noqa: E402  pylint: disable=C0413

FRAME = "ffffffffffff" "00ff12345678" "88b5" + "5a" * 46
INVALID_FUNCTION, NOT_FOUND, TOO_SMALL, INVALID_PARAMETER, NO_FILE = 1, 1168, 122, 87, 2
NOT_WORKING, CANCELLED, MORE_DATA, NONE_YET = 31, 995, 234, 258
MAC, VERSION, MTU, MEDIA = 1, 2, 3, 6


def build():
    with standard.building() as party:
        party.windows = wine.Prefix(party, "c1")
        party.windows.load_driver()
        party.tap = adapters.Adapter(party.windows)
        party.c1.sysctl("ipv6/conf/softlan/disable_ipv6", 1)  # it would talk by itself
    return party


def end(party):
    party.windows.end_helper()  # it has files open
    party.windows.unload_driver()
    tap.expect_equal(party.windows.service(wine.DRIVER)["state"], wine.SERVICE_STOPPED, "the driver's state")
    party.windows.close()
    tap.expect(party.windows.server.poll() is not None, "the wineserver still runs")


plan = tap.Plan(build, ("the driver can be unloaded, and all of the prefix ends", end), wine.unusable)


def media(party, up):
    party.windows.ask("tap-control", 0, MEDIA, f"0{int(up)}000000", 4)


@plan.case("a new machine says that it is Windows 10, and is made in a moment")
def fresh(party):
    start = time.monotonic()
    other = wine.Prefix(party, "c2", "windows2")
    key = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"
    tap.expect_equal(other.registry_get(key, "ProductName"), "Microsoft Windows 10", "its product name")
    seconds = time.monotonic() - start
    other.registry_set("HKCU\\Software\\softlan", "here", 7)
    tap.expect_equal(party.windows.registry_get("HKCU\\Software\\softlan", "here"), None, "the other's value")
    other.close()
    print(f"# made and asked in {seconds:.2f} s")
    # Wine 10 lets the first program of a prefix wait for 5 s; making one from nothing takes three times as long.
    tap.expect(seconds < 10, f"{seconds:.1f} s for a new prefix")


@plan.case("programs: exit code, output, Ctrl-C, kill -9")
def programs(party):
    output = party.windows.run(["cmd.exe", "/c", "echo one& exit 7"], check=False)
    tap.expect_equal(output, "one\n", "output of cmd")
    for way, code in (("ctrl_c", None), ("kill", -9)):
        sleeper = party.windows.start(["ping.exe", "-n", "60", "127.0.0.1"], f"sleeper-{way}")
        time.sleep(0.5)
        tap.expect(sleeper.alive(), f"it ended by itself: {sleeper.output()}")
        getattr(sleeper, way)()
        got = sleeper.wait()
        tap.expect(code is None or got == code, f"exit code {got} after {way}")


@plan.case("the adapter is in the registry as setup leaves it, and wine's IP Helper knows its GUID")
def registered(party):
    keys = party.windows.registry_keys(f"{adapters.CONTROL}\\Class\\{adapters.CLASS}")
    tap.expect_equal(keys, ["0000"], "keys of the class")
    values = party.windows.registry_values(party.tap.class_key)
    tap.expect_equal((values["ComponentId"], values["NetCfgInstanceId"], values["DriverVersion"]),
                     ("tap0901", party.tap.guid, "9.27.0.0"), "the adapter's values")
    tap.expect_equal(party.windows.registry_get(party.tap.connection_key, "Name"), "softlan", "its connection's name")
    shown = party.windows.run(["ipconfig.exe", "/all"])
    mac = party.c1.mac("softlan").replace(":", "-").upper()
    tap.expect(mac in shown.upper(), f"ipconfig does not show {mac}: {shown}")


@plan.case("MAC, version, MTU; too little room, unknown codes are refused as by the real driver")
def questions(party):
    windows = party.windows
    tap.expect_equal(windows.error_of("tap-open", 0, party.tap.guid), 0, "opening")
    ask = lambda code, data="-", room=12: windows.ask("tap-control", 0, code, data, room)["bytes"]  # noqa: E731
    tap.expect_equal(ask(MAC), "00ff12345678", "MAC")
    tap.expect_equal(ask(VERSION), "090000001b00000000000000", "version")
    tap.expect_equal(ask(MTU), "dc050000", "MTU")
    for code, room in ((MAC, 5), (VERSION, 11), (MTU, 3)):
        tap.expect_equal(windows.error_of("tap-control", 0, code, "-", room), TOO_SMALL, f"code {code}, room {room}")
    tap.expect_equal(windows.error_of("tap-control", 0, MEDIA, "010000", 4), INVALID_PARAMETER, "three bytes of media")
    tap.expect_equal(windows.error_of("tap-control", 0, 99, "01000000", 4), INVALID_FUNCTION, "an unknown code")


@plan.case("media down: reads and writes fail at once; up: reads wait, the IP stack has its carrier")
def media_status(party):
    windows = party.windows
    tap.expect_equal(windows.error_of("tap-read", 0, 2048), CANCELLED, "read with media down")
    tap.expect_equal(windows.error_of("tap-write", 0, FRAME), CANCELLED, "write with media down")
    tap.expect(not party.tap.carrier(), "carrier with media down")
    before = party.tap.log()[-1]["number"]
    media(party, True)
    traffic.eventually("carrier", party.tap.carrier)
    for _ in range(20):
        tap.expect_equal(windows.error_of("tap-read", 0, 2048), 0, "read with media up")
    tap.expect(party.tap.state()["reads"] > 0, f"no read waits: {party.tap.state()}")
    media(party, False)
    traffic.eventually("no carrier", lambda: not party.tap.carrier())
    changes = party.tap.media_log(before)
    tap.expect_equal([up for _, up in changes], [True, False], "media in the log")
    tap.expect(abs(changes[-1][0] - time.time()) < 10, f"the log's time: {changes[-1][0]} at {time.time()}")
    media(party, True)
    traffic.eventually("carrier", party.tap.carrier)


def drain(party):
    """Lets all of the probe's reads end; what came is in the list."""
    party.windows.ask("tap-cancel", 0)
    frames = []
    while True:
        try:
            frames.append(party.windows.ask("tap-take", 0, 300)["bytes"])
        except wine.WindowsError as error:
            if error.code == NONE_YET:
                return frames
            tap.expect_equal(error.code, CANCELLED, "error of a cancelled read")


@plan.case("frames both ways; too long for the read: lost; too short or too long to write: refused")
def frames(party):
    windows = party.windows
    drain(party)
    tap.expect_equal(party.tap.state()["reads"], 0, "reads after cancelling all")
    with party.c1.entered():
        import socket  # pylint: disable=C0415
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5))
        sock.bind(("softlan", 0x88B5))
    sock.settimeout(5)
    with sock:
        windows.ask("tap-write", 0, FRAME[:28] + "77")
        tap.expect_equal(sock.recv(2000).hex(), (FRAME[:28] + "77").ljust(120, "0"), "a short frame, padded to 60")
        for size, error in ((13, TOO_SMALL), (14 + 4 + 1500, 0), (14 + 4 + 1501, INVALID_PARAMETER)):
            data = (FRAME[:28] + "77" * size)[:2 * size]
            tap.expect_equal(windows.error_of("tap-write", 0, data), error, f"writing {size} bytes")
        windows.ask("tap-read", 0, 100)
        before = party.tap.state()["lost"]
        sock.send(bytes.fromhex(FRAME) + b"x" * 100)
        traffic.eventually("the long frame is lost", lambda: party.tap.state()["lost"] > before)
        windows.ask("tap-read", 0, 2048)
        sock.send(bytes.fromhex(FRAME))
        codes = {MORE_DATA}
        while True:
            try:
                if (got := windows.ask("tap-take", 0, 5000)["bytes"]) == FRAME:
                    break
                tap.expect(got[24:28] in ("86dd", "0806", "0800"), f"an alien frame: {got}")
                windows.ask("tap-read", 0, 2048)
            except wine.WindowsError as error:
                tap.expect(error.code in codes, str(error))


@plan.case("a second opener, and one of a busy adapter, get the real driver's error")
def busy(party):
    windows = party.windows
    windows.ask("tap-open", 1, party.tap.guid)  # wine lets it; see faketap.c
    for words in (("tap-control", 1, VERSION, "-", 12), ("tap-read", 1, 2048), ("tap-write", 1, FRAME)):
        tap.expect_equal(windows.error_of(*words), NOT_WORKING, f"second opener: {words[0]}")
    windows.ask("tap-close", 1)
    tap.expect_equal(windows.error_of("tap-control", 0, VERSION, "-", 12), 0, "the first one")
    windows.ask("tap-close", 0)
    traffic.eventually("the carrier goes with the file", lambda: not party.tap.carrier())
    party.tap.set(busy=1)
    windows.ask("tap-open", 0, party.tap.guid)
    tap.expect_equal(windows.error_of("tap-control", 0, VERSION, "-", 12), NOT_WORKING, "the busy adapter")
    windows.ask("tap-close", 0)
    party.tap.set(busy=0)
    events = [entry["event"] for entry in party.tap.log()]
    tap.expect_equal(events.count("refused"), 2, f"refusals in the log {events}")


@plan.case("unplugged: reads end, opening fails; plugged in again: another MAC and version")
def unplugged(party):
    windows = party.windows
    windows.ask("tap-open", 0, party.tap.guid)
    media(party, True)
    windows.ask("tap-read", 0, 2048)
    party.tap.set(plugged=0)
    while True:  # what the IP stack said until then comes first
        error = windows.error_of("tap-take", 0, 3000)
        if error or windows.error_of("tap-read", 0, 2048):
            break
    tap.expect(error in (0, CANCELLED), f"the waiting read: {error}")
    tap.expect_equal(windows.error_of("tap-read", 0, 2048), CANCELLED, "a new read")
    tap.expect_equal(windows.error_of("tap-open", 1, party.tap.guid), NO_FILE, "opening")
    party.tap.set(plugged=1, mac="02:00:00:00:00:07", version="9.26")
    tap.expect_equal(windows.error_of("tap-read", 0, 2048), NOT_WORKING, "the old file")
    windows.ask("tap-close", 0)
    windows.ask("tap-open", 0, party.tap.guid)
    tap.expect_equal(windows.ask("tap-control", 0, MAC, "-", 6)["bytes"], "020000000007", "MAC")
    tap.expect_equal(windows.ask("tap-control", 0, VERSION, "-", 12)["bytes"][:16], "090000001a000000", "version")
    windows.ask("tap-close", 0)
    party.tap.set(mac="00:ff:12:34:56:78", version="9.27")


@plan.case("two IP stacks through two adapters: pings, and 50 MB with the right checksum", limit=240)
def through(party):
    windows = party.windows
    other = adapters.Adapter(windows, "tap1", mac="00:ff:12:34:56:79", number=1)
    party.c1.batch([f"link set tap1 netns {party.c2.name}"])
    party.c1.batch(["address add 10.9.0.1/24 dev softlan"])
    party.c2.batch(["address add 10.9.0.2/24 dev tap1", "link set tap1 up"])
    for slot, one in enumerate((party.tap, other)):
        windows.ask("tap-open", slot, one.guid)
        windows.ask("tap-control", slot, MEDIA, "01000000", 4)
    windows.ask("tap-join", 0, 1)
    traffic.eventually("both wait with 16 reads", lambda: all(
        one.state()["reads_peak"] >= 16 for one in (party.tap, other)))
    traffic.ping(party.c1, "10.9.0.2")
    milliseconds = traffic.ping(party.c1, "10.9.0.2", count=200, interval=0.005, size=1200)
    rate = traffic.transfer(party.c1, party.c2, "10.9.0.2", 50, timeout=200)
    print(f"# ping {milliseconds:.2f} ms, TCP {rate:.0f} Mbit/s; lost {party.tap.state()['lost']}, {other.state()['lost']}")
    tap.expect(milliseconds < 20, f"mean ping {milliseconds:.1f} ms")


if __name__ == "__main__":
    plan.main()
