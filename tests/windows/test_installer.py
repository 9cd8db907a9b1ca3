#!/usr/bin/python3 -B
"""The installer: what it puts where, upgrades, refusals, and that nothing is left when softlan is uninstalled."""

import glob
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "scripts"))
from party import standard, tap, traffic  # noqa: E402  pylint: disable=C0413
import adapter as adapters  # noqa: E402  pylint: disable=C0413
import tables  # noqa: E402  pylint: disable=C0413
import wine  # noqa: E402  pylint: disable=C0413

FOLDER = "C:\\Program Files\\softlan"
DATA = "C:\\ProgramData\\softlan"
MENU = "C:\\ProgramData\\Microsoft\\Windows\\Start Menu\\Programs\\softlan"
UNINSTALL = "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\softlan"
SERVICE = "softlan-client"
AUTO_START = 2
MAC = "02:00:00:00:00:2a"
CONF = f'''relay = "203.0.113.10";
room = "ROOM1";
secret = "a long word that you tell your friends";
relay_ca = "";
virtual_mac = "{MAC}";
'''
FILES = ["README.txt", "client.conf.sample", "licenses", "softlan-client.exe", "softlanctl.exe", "uninstall.exe",
         "windows.txt"]


def installers():
    return glob.glob(os.path.join(wine.windows_build() or "/nowhere", "softlan-*-win64-setup.exe"))


def unusable():
    reason = wine.client_unusable()
    if not reason and len(installers()) != 1:
        reason = f"needs the installer in {wine.windows_build()}: scripts/build-windows"
    return reason


def traces(windows):
    """Every key, value and file of the machine that has softlan in its name or text."""
    found = []
    for hive in ("HKEY_LOCAL_MACHINE", "HKEY_CURRENT_USER"):
        target = windows.party.path("export.reg")
        windows.run(["reg.exe", "export", hive, "Z:" + target.replace("/", "\\"), "/y"])
        with open(target, encoding="utf-16") as file:
            key = ""
            for line in file:
                if line.startswith("["):
                    key = line.strip()
                if "softlan" in line.lower():
                    found.append(f"{key} {line.strip()}")
    drive = windows.file("C:\\")
    for folder, folders, files in os.walk(drive):
        found += [os.path.join(folder, name) for name in folders + files if "softlan" in name.lower()]
    return sorted(set(found))


def setup(windows, *arguments):
    """Runs the installer silently; returns its exit code."""
    process = windows.popen([installers()[0], "/S", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process.wait(60)


def uninstall(windows, *arguments):
    """Runs the uninstaller silently, and waits for its copy, which does the work, to end."""
    program = windows.file(f"{FOLDER}\\uninstall.exe")
    windows.run([program, "/S", *arguments])
    traffic.eventually("the uninstaller has removed itself", lambda: not os.path.exists(program))
    traffic.eventually("its folder is gone", lambda: not os.path.exists(windows.file(FOLDER)))


def build():
    with standard.building() as party:
        party.windows = wine.Prefix(party, "c1")
        party.windows.load_driver()
        adapters.Adapter(party.windows, "party", MAC)
        party.windows.service(SERVICE)  # starts what Windows always runs, which keeps the output of the first program
        party.before = traces(party.windows)
    return party


def end(party):
    party.windows.close()


plan = tap.Plan(build, ("the prefix ends", end), unusable)


@plan.case("a file in the place of the data folder is refused, and nothing is installed")
def planted(party):
    windows = party.windows
    path = windows.file(DATA)
    with open(path, "x", encoding="ascii"):
        tap.expect_equal(setup(windows), 2, "exit code of setup")
    os.unlink(path)
    tap.expect_equal(traces(windows), party.before, "traces")


@plan.case("silent installation: files, sample configuration, service, entry among the installed programs")
def install(party):
    windows = party.windows
    tap.expect_equal(setup(windows), 0, "exit code of setup")
    have = os.listdir(windows.file(FOLDER))
    tap.expect_equal(sorted(set(FILES) - set(have)), [], f"files that are missing among {have}")
    for name in ("softlan-client.exe", "softlanctl.exe"):
        with open(os.path.join(wine.windows_build(), name), "rb") as built, \
                open(windows.file(f"{FOLDER}\\{name}"), "rb") as installed:
            tap.expect(built.read(2) == installed.read(2) == b"MZ", f"{name} is no program")
        output = windows.run([windows.file(f"{FOLDER}\\{name}"), "--version"])
        tap.expect(windows.registry_get(UNINSTALL, "DisplayVersion") in output, f"{name} --version: {output}")
    licences = os.listdir(windows.file(f"{FOLDER}\\licenses"))
    tap.expect("softlan.txt" in licences, f"licences: {licences}")
    with open(windows.file(f"{DATA}\\client.conf"), "rb") as file:
        conf = file.read()
    tap.expect(b"\r\n" in conf and b"relay" in conf, f"client.conf: {conf[:200]}")
    values = windows.registry_values(UNINSTALL)
    tap.expect_equal((values["DisplayName"], values["InstallLocation"], values["UninstallString"]),
                     ("softlan", FOLDER, f'"{FOLDER}\\uninstall.exe"'), "entry among the installed programs")
    service = windows.service(SERVICE)
    tap.expect(service, f"no service {SERVICE}")
    tap.expect_equal(service["start_type"], AUTO_START, "how the service starts")
    tap.expect(service["path"].startswith(f'"{FOLDER}\\softlan-client.exe"'), f"its program: {service['path']}")
    tap.expect(os.listdir(windows.file(MENU)), "nothing in the start menu")


def configure(windows):
    """A configuration of the user's own; no relay runs."""
    with open(windows.file(f"{DATA}\\client.conf"), "w", encoding="ascii") as file:
        file.write(CONF)


def expect_configured(windows):
    with open(windows.file(f"{DATA}\\client.conf"), encoding="ascii") as file:
        tap.expect_equal(file.read(), CONF, "client.conf")


def own_tables(windows, there):
    """Puts the double of iphlpapi.dll beside the installed client, without which it could not run in wine; or takes it
    away."""
    program = windows.file(f"{FOLDER}\\softlan-client.exe")
    if there:
        tables.Netd(windows, program)
        return
    for name in ("iphlpapi.dll", "netd.port"):
        os.unlink(os.path.join(os.path.dirname(program), name))
    key = "HKCU\\Software\\Wine\\AppDefaults"
    windows.registry_delete(f"{key}\\softlan-client.exe\\DllOverrides")
    windows.registry_delete(f"{key}\\softlan-client.exe")


@plan.case("a client that runs in a console is not replaced: setup says so and changes nothing")
def in_console(party):
    windows = party.windows
    configure(windows)
    own_tables(windows, True)
    program = windows.file(f"{FOLDER}\\softlan-client.exe")
    os.unlink(windows.file(f"{FOLDER}\\softlanctl.exe"))
    client = windows.start([program], "client")
    time.sleep(1)
    tap.expect(client.alive(), f"the client has ended: {client.output()}")
    tap.expect_equal(setup(windows), 2, "exit code of setup")
    tap.expect(client.alive(), f"the client has ended: {client.output()}")
    tap.expect(not os.path.exists(windows.file(f"{FOLDER}\\softlanctl.exe")), "a file has been installed")
    client.ctrl_c()
    client.wait()


@plan.case("an upgrade stops the running service and starts it again, and keeps the edited configuration")
def upgrade(party):
    windows = party.windows
    windows.ask("service-start", SERVICE)
    traffic.eventually("the service runs", lambda: windows.service(SERVICE)["state"] == wine.SERVICE_RUNNING)
    before = windows.service(SERVICE)["pid"]
    tap.expect_equal(setup(windows), 0, "exit code of setup")
    expect_configured(windows)
    tap.expect(os.path.exists(windows.file(f"{FOLDER}\\softlanctl.exe")), "softlanctl.exe is not back")
    traffic.eventually("the service runs again", lambda: windows.service(SERVICE)["state"] == wine.SERVICE_RUNNING)
    tap.expect(windows.service(SERVICE)["pid"] != before, "it is still the old process")


@plan.case("an upgrade of a stopped service leaves it stopped")
def upgrade_stopped(party):
    windows = party.windows
    windows.ask("service-control", SERVICE, 1)
    traffic.eventually("the service has stopped", lambda: windows.service(SERVICE)["state"] == wine.SERVICE_STOPPED)
    tap.expect_equal(setup(windows), 0, "exit code of setup")
    tap.expect_equal(windows.service(SERVICE)["state"], wine.SERVICE_STOPPED, "its state")
    windows.ask("service-start", SERVICE)


@plan.case("uninstalling ends the running service, keeps configuration and identity, and nothing else")
def keep(party):
    windows = party.windows
    traffic.eventually("the service runs", lambda: windows.service(SERVICE)["state"] == wine.SERVICE_RUNNING)
    own_tables(windows, False)
    uninstall(windows)
    tap.expect_equal(windows.service(SERVICE), None, "the service")
    kept = windows.file(DATA)
    left = [one for one in traces(windows) if one not in party.before]
    tap.expect_equal([one for one in left if not one.startswith(kept)], [], "traces")
    tap.expect("client.conf" in os.listdir(kept), f"what is kept: {os.listdir(kept)}")


@plan.case("installed again with the kept configuration; uninstalled with /PURGE: no trace, key or file")
def purge(party):
    windows = party.windows
    tap.expect_equal(setup(windows), 0, "exit code of setup")
    expect_configured(windows)
    uninstall(windows, "/PURGE")
    traffic.eventually("no trace is left", lambda: traces(windows) == party.before)


if __name__ == "__main__":
    plan.main()
