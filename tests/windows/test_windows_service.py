#!/usr/bin/python3 -B
"""softlan-client.exe as a service of Windows, at the party: installed, started, asked by softlanctl.exe, reloaded,
stopped and removed. The service manager, the named pipe and the registry are wine's."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, tap, terminal, topology, traffic  # noqa: E402  pylint: disable=C0413
import wine  # noqa: E402  pylint: disable=C0413
import windows_party  # noqa: E402  pylint: disable=C0413

NAME, TAP = "softlan-client", windows_party.TAP
FOLDER = "C:\\ProgramData\\softlan"
SOURCE = f"HKLM\\SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\{NAME}"
AUTO_START, PARAMCHANGE, STOP = 2, 6, 1


def build():
    party = windows_party.start(joined=False)
    # No path is in its file: all are the defaults.
    for key in ("relay_ca", "identity_file"):
        del party.client.settings[key]
    party.exe = "C:\\softlan\\softlan-client.exe"
    return party


def end(party):
    if party.windows.service(NAME):
        party.windows.error_of("service-control", NAME, STOP)
    tap.end_all(party)
    party.windows.close()


plan = tap.Plan(build, ("relay and gateway end in order, the prefix ends", end), wine.client_unusable)


def service(party, action, *words, check=True):
    """What --service prints, without what wine's service manager does not know."""
    output = party.windows.run([party.exe, "--service", action, *words], check=check)
    return "\n".join(line for line in output.splitlines() if "Invalid level" not in line)


def fails(party, action):
    """(exit code, output)"""
    process = party.windows.start([party.exe, "--service", action], f"service-{action}")
    return process.wait(60), process.output()


def state(party):
    found = party.windows.service(NAME)
    return found and found["state"]


def configure(party, **settings):
    party.client.settings.update(settings)
    with open(party.windows.file(f"{FOLDER}\\client.conf"), "w", encoding="utf-8") as file:
        file.write(daemons.config_text(party.client.settings))


def log(party):
    with open(party.windows.file(f"{FOLDER}\\client.log"), encoding="utf-8", newline="") as file:
        return file.read().replace("\r\n", "\n")


def ctl(party, *words):
    return json.loads(party.client.ctl_text("-j", *words))


@plan.case("without a service each action says so; words that there are not, and `run` in a console, are usage [OPS-2]")
def none(party):
    for action in ("start", "stop", "reload", "status"):
        code, output = fails(party, action)
        tap.expect(code == 1 and "--service install installs it" in output, f"{action}: {code} {output}")
    tap.expect("nothing to remove" in service(party, "remove"), "remove")
    code, output = fails(party, "nonsense")
    tap.expect(code == 2 and "install|remove|start|stop|reload|status" in output, f"nonsense: {code} {output}")
    code, output = fails(party, "run")
    tap.expect(code == 2 and "service manager" in output, f"run: {code} {output}")
    output = party.windows.run([party.exe, "--service", "install", "--room", "ROOM1"], check=False)
    tap.expect("put --room into the file" in output and not party.windows.service(NAME), f"with a setting: {output}")
    output = party.windows.run([party.exe, "--help"])
    tap.expect("--service install|remove|start|stop|reload|status" in output, f"--help: {output}")


@plan.case("a file where its folder should be is refused [WIN-9]")
def not_a_folder(party):
    place = party.windows.file(FOLDER)
    with open(place, "w", encoding="ascii"):
        pass
    output = party.windows.run([party.exe, "--service", "install"], check=False)
    tap.expect("a file or a link; remove it" in output and not party.windows.service(NAME), output)
    os.unlink(place)


@plan.case("install: starts with Windows, by a quoted path, as SYSTEM; event source, private folder; a second time updates "
           "[OPS-2]")
def install(party):
    output = service(party, "install")
    tap.expect("the service is installed" in output, f"the first time: {output}")
    # All files here are of the one user that wine knows.
    tap.expect("users who are no administrators may change this program" in output, f"no warning: {output}")
    tap.expect(os.path.isdir(party.windows.file(FOLDER)), f"no {FOLDER}")
    found = party.windows.service(NAME)
    tap.expect_equal((found["state"], found["start_type"], found["path"].lower()),
                     (wine.SERVICE_STOPPED, AUTO_START, f'"{party.exe}" --service run'.lower()), f"of {found}")
    tap.expect_equal(found["account"], "LocalSystem", "the account")
    values = party.windows.registry_values(SOURCE)
    tap.expect(values["EventMessageFile"].endswith("EventCreate.exe") and values["TypesSupported"] == 7, f"{values}")
    tap.expect("brought up to date" in service(party, "install", "-c", "C:\\softlan\\other.conf"), "the second time")
    tap.expect(party.windows.service(NAME)["path"].lower().endswith('--service run -c "c:\\softlan\\other.conf"'),
               "the other file")
    service(party, "install")


@plan.case("start: up at once, in the room soon, by files at their usual places alone; status and log "
           "[OPS-2 OPS-3 WIN-9]")
def start(party):
    with open(party.path("relay.der"), "rb") as source, open(party.windows.file(f"{FOLDER}\\relay-ca.der"), "wb") as file:
        file.write(source.read())
    configure(party)
    began = time.monotonic()
    tap.expect_equal(service(party, "start"), f"{NAME}: the service runs", "start")
    tap.expect(time.monotonic() - began < 20, "it took too long")
    tap.expect_equal(state(party), wine.SERVICE_RUNNING, "the state")
    tap.expect_equal(service(party, "start"), f"{NAME}: the service runs already", "start again")
    traffic.eventually("it is in the room", lambda: ctl(party, "status")["connected"], 30, step=0.2)
    status = ctl(party, "status")
    tap.expect_equal(status["config"], f"{FOLDER}\\client.conf", "its file")
    tap.expect(service(party, "status").startswith(f"{NAME}: running, process {status['pid']}"), "--service status")
    tap.expect(os.path.exists(party.windows.file(f"{FOLDER}\\client.log")), "no log file")
    tap.expect("is up, MTU" in log(party), f"the log: {log(party)}")
    lease = traffic.lease(party, "c1", TAP)
    traffic.ping(party.c1, topology.LAN_HOST)
    traffic.eventually("the address in status", lambda: (ctl(party, "status")["tap"]["address"] or "").startswith(lease),
                       15, step=0.5)
    tap.expect("ROOM1" in party.client.ctl_text("status"), "softlanctl.exe status, for people")


@plan.case("reload, by --service, softlanctl and net.exe's way (parameter change); a file that is wrong is refused [OPS-1]")
def reload(party):
    before = log(party).count("config: reloaded")
    service(party, "reload")
    traffic.eventually("--service reload", lambda: log(party).count("config: reloaded") == before + 1, 5, step=0.1)
    party.windows.ask("service-control", NAME, PARAMCHANGE)
    traffic.eventually("a parameter change", lambda: log(party).count("config: reloaded") == before + 2, 5, step=0.1)
    configure(party, log={"level": "debug"})
    tap.expect_equal(ctl(party, "reload")["reloaded"], True, "softlanctl reload")
    configure(party, log={"level": "loud"})
    output = party.windows.run([party.client.ctl_path, "reload"], check=False)
    tap.expect("log.level" in output, f"a file that is wrong: {output}")
    tap.expect_equal(ctl(party, "status")["connected"], True, "still in the room")
    configure(party, log={"level": "info"})


@plan.case("top in a console: the room's peers at once, new numbers each second, keys; q gives the console back [OPS-3]")
def top(party):
    # wine's console takes a sequence for text that fills the line, so the lines are long.
    with terminal.Terminal(["/usr/bin/wine", party.client.ctl_path, "top"], columns=400, lines=20,
                           env=wine.environment(party.windows.path, {"TERM": "xterm-256color"})) as term:
        term.until("its room", lambda: term.line(3).startswith("room ROOM1: 1 peer, by bits"), 20)
        tap.expect(term.line(0).startswith("softlan-client 0."), f"the first line: {term.text()}")
        # The second round of answers brings the rates.
        term.until("rates", lambda: term.line(5).split()[2:3] == ["gateway"] and term.line(5).split()[3] != "-", 10)
        term.press("n")
        term.until("the order", lambda: "by name" in term.line(3), 5)
        term.press("q")
        tap.expect_equal(term.wait(10), 0, "exit code")
        tap.expect(term.raw.rindex(b"\x1b[?1049l") > term.raw.rindex(b"\x1b[?1049h"), "the first screen")


@plan.case("stop: leaves the room in order, media down, softlanctl.exe says 3; stopped again is no error; starts "
           "again [OPS-2]")
def stop(party):
    tap.expect_equal(service(party, "stop"), f"{NAME}: the service is stopped", "stop")
    tap.expect_equal(state(party), wine.SERVICE_STOPPED, "the state")
    traffic.eventually("gone from the room", lambda: not party.client.in_room(), 1, step=0.05)
    tap.expect("daemon: ending" in log(party)[-600:], f"the log: {log(party)[-600:]}")
    tap.expect_equal(party.tap.state()["media"], 0, "the media")
    asked = party.windows.start([party.client.ctl_path, "status"], "asked")
    tap.expect_equal((asked.wait(20), "no softlan daemon runs here" in asked.output()), (3, True), "softlanctl.exe")
    tap.expect_equal(service(party, "stop"), f"{NAME}: the service is stopped", "stop again")
    code, output = fails(party, "reload")
    tap.expect(code == 1, f"reload of one that is stopped: {code} {output}")
    service(party, "start")
    traffic.eventually("in the room again", lambda: ctl(party, "status")["connected"], 30, step=0.2)


@plan.case("remove stops it first, and nothing is left but the folder; a second time is no error [OPS-2]")
def remove(party):
    tap.expect_equal(service(party, "remove"), f"{NAME}: the service is removed", "remove")
    tap.expect_equal(party.windows.service(NAME), None, "the service")
    tap.expect_equal(party.windows.error_of("reg-list", SOURCE), 2, "the event source")
    traffic.eventually("gone from the room", lambda: not party.client.in_room(), 1, step=0.05)
    tap.expect("nothing to remove" in service(party, "remove"), "remove again")
    tap.expect({"client.conf", "client.log", "relay-ca.der"} <= set(os.listdir(party.windows.file(FOLDER))), "the folder")


if __name__ == "__main__":
    plan.main()
