#!/usr/bin/python3 -B
"""A relay that is reloaded under load loses no frame and no peer; a bad file changes nothing."""

import os
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, frames, pairs, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

RATE = 5_000
RELOADS = 10
INTERVAL_S = 0.4
LEVELS = ("debug", "warning", "info", "error")


def start():
    with standard.building() as party:
        for name in ("first", "second"):
            pairs.make(party, name)
        pairs.install(party, "first")
        pairs.bundle(party, ("first", "second"), "relay.pem")
        party.relayd = daemons.make_relay(party, **pairs.relay_settings(party)).start()
        trust = {"relay_ca": party.path("relay.pem")}
        party.gateway = daemons.make_gateway(party, **trust).start()
        party.clients["c1"] = daemons.make_client(party, "c1", **trust).start()
        standard.give_address(party, "c1")
        traffic.ping(party.c1, topology.LAN_HOST)
    return party


plan = tap.Plan(start)


def write_config(party, **settings):
    with open(party.relayd.config, "w", encoding="utf-8") as file:
        file.write(daemons.config_text({**party.relayd.settings, **settings}))


def changed(number):
    """Other limits, rates, rooms and log settings each time; all large enough for this party."""
    return {"limits": {"rooms": 10 + number, "peers_per_room": 8 + number, "peers": 100 + number,
                       "handshakes_per_second": 100 + number, "malformed_datagrams": 30 + number},
            "client_rate": {"broadcast_pps": 10_000 + number, "unknown_unicast_pps": 10_000 + number},
            "rooms": [{"code": "ROOM1", "secret": ""}, {"code": f"ROOM-{number}", "secret": "s"}],
            "log": {"level": LEVELS[number % len(LEVELS)]}}


def refused(party):
    """The sentence of a reload that the relay refuses."""
    try:
        party.relayd.ctl("reload")
    except daemons.DaemonFailed as error:
        return str(error)
    raise AssertionError("the reload was not refused")


@plan.case(f"{RATE} frames/s while certificate, limits, rooms and log level change {RELOADS} times: none lost [OPS-1]",
           limit=60)
def under_load(party):
    mac = party.c1.mac("softlan0")
    some = [frames.build(topology.LAN_MAC, mac, payload=number.to_bytes(4, "big"), size=200) for number in range(RATE)]
    sent, over = [], threading.Event()

    def load():
        while not over.is_set():  # a second's worth each time
            frames.send_at_rate(ports["c1"], some, RATE)
            sent.extend(some)
    ports = standard.ports(party, "lan", "c1")
    joins = party.relayd.ctl("stats")["admission"]["joins"]
    fingerprints = set()
    try:
        with frames.Recorder({"lan": ports["lan"]}, lambda frame: frames.ethertype(frame) == frames.ETH_TEST) as recorder:
            sender = threading.Thread(target=load)
            sender.start()
            for number in range(RELOADS):
                time.sleep(INTERVAL_S)
                pairs.install(party, ("second", "first")[number % 2])
                write_config(party, **changed(number))
                answer = party.relayd.ctl("reload")
                tap.expect_equal(answer, {"reloaded": True, "restart_needed": []}, f"reload {number}")
                status = party.relayd.status()
                tap.expect_equal(status["limits"]["rooms"], 10 + number, "limits.rooms in force")
                tap.expect_equal(status["limits"]["peers"], 100 + number, "limits.peers in force")
                fingerprints.add(status["certificate"]["sha256"])
                with open(party.relayd.config, "w", encoding="utf-8") as file:
                    file.write("listen = 5;\nlimits: { rooms = 0; };\nrooms = (\n")
                tap.expect(f"{party.relayd.config}:" in refused(party), "the refusal names no file and line")
                tap.expect_equal(party.relayd.status()["limits"]["rooms"], 10 + number, "limits.rooms after the refusal")
            over.set()
            sender.join()
            recorder.wait("lan", len(sent))
    finally:
        over.set()
        for port in ports.values():
            port.close()
    got = recorder.seen("lan")
    tap.expect_equal(len(got), len(sent), "frames that arrived")
    tap.expect(len(sent) >= RATE * INTERVAL_S * RELOADS, f"only {len(sent)} frames of load")
    tap.expect_equal(sorted(got), sorted(sent), "the frames")
    tap.expect_equal(len(fingerprints), 2, "certificates that were in force")
    stats = party.relayd.ctl("stats")
    tap.expect_equal((stats["peers"], stats["admission"]["joins"]), (2, joins), "peers, and joins since the start")
    for daemon in (party.gateway, party.clients["c1"]):
        tap.expect_equal(daemon.status()["reconnects"], 0, f"reconnects of {daemon.name}")


@plan.case("HUP does the same, and systemd hears of it; keys that need a restart are named each time [OPS-1 OPS-2]")
def hangup(party):
    write_config(party, timing={"idle_timeout": 40}, log={"level": "info"})
    for number in (1, 2):
        party.relayd.process.send_signal(1)
        traffic.eventually("the log names the key", lambda n=number: party.relayd.log().count(
            "timing.idle_timeout has changed and takes effect at the next start") >= n, 3)
    tap.expect_equal(party.relayd.ctl("reload")["restart_needed"], ["timing.idle_timeout"], "restart_needed")
    tap.expect(party.relayd.noted("RELOADING=1"), "systemd did not hear RELOADING=1")


@plan.case("a pair that does not belong together, a missing one: refused with the file's name [OPS-1 RELAY-14]")
def bad_pairs(party):
    write_config(party)
    party.relayd.ctl("reload")
    before = party.relayd.status()["certificate"]
    os.replace(party.path("relay.key"), party.path("kept.key"))
    pairs.make(party, "third")
    shutil.copyfile(party.path("third.key"), party.path("relay.key"))
    tap.expect("does not belong to the certificate" in refused(party), "no word about the pair")
    os.unlink(party.path("relay.key"))
    tap.expect("relay.key: No such file" in refused(party), "no word about the missing file")
    tap.expect_equal(party.relayd.status()["certificate"], before, "the certificate")
    os.replace(party.path("kept.key"), party.path("relay.key"))
    party.relayd.ctl("reload")
    traffic.ping(party.c1, topology.LAN_HOST)


@plan.case("a new room and a new secret count for newcomers; who is in stays [OPS-1]")
def rooms(party):
    write_config(party, rooms=[{"code": "ROOM1", "secret": "new"}])
    party.relayd.ctl("reload")
    traffic.ping(party.c1, topology.LAN_HOST)
    late = daemons.make_client(party, "c2", relay_ca=party.path("relay.pem"))
    late.start(wait=False)
    traffic.eventually("it is refused", lambda: "needs a secret" in late.log(), 5)
    late.process.wait(5)
    late.process = None
    late.settings["secret"] = "new"
    late.start()
    late.stop()


if __name__ == "__main__":
    plan.main()
