#!/usr/bin/python3 -B
"""scripts/make-cert: the pair that it makes serves a private relay, and who has its copy accepts no other."""

import os
import re
import shutil
import signal
import subprocess
import sys

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts")
sys.path.insert(0, SCRIPTS)
from party import daemons, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

NAME = "relay.example.org"
GROUP = 64999
LINE = re.compile(r'^    (\w+) = "(.*)";$', re.M)


def make_cert(*words):
    return subprocess.run([os.path.join(SCRIPTS, "make-cert"), *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30, check=False)


def made(party, folder, *words):
    """Makes a pair in a new folder; returns the settings that it prints, by file, with the copy's real place."""
    out = party.path(folder)
    os.mkdir(out)
    done = make_cert("--out", out, *words)
    tap.expect_equal(done.returncode, 0, f"exit code of make-cert ({done.stderr.strip()})")
    relay, endpoint = done.stdout.split("\nrelay.conf:\n")[1].split("\ngateway.conf and client.conf")
    endpoint = dict(LINE.findall(endpoint))
    tap.expect_equal(endpoint["relay_ca"], "/etc/softlan/relay-ca.der", "the copy's place as printed")
    endpoint["relay_ca"] = os.path.join(out, "relay-ca.der")
    return dict(LINE.findall(relay)), endpoint, done.stdout


def setup():
    """The party of all tests, with what make-cert has printed for the relay's address and nothing else."""
    with standard.building() as party:
        relay, endpoint, party.words = made(party, "address", topology.RELAY)
        party.endpoint = endpoint
        party.relayd = daemons.make_relay(party, **relay).start()
        party.gateway = daemons.make_gateway(party, **endpoint).start()
        party.clients["c1"] = daemons.make_client(party, "c1", **endpoint).start()
        standard.give_address(party, "c1")
    return party


plan = tap.Plan(setup)


def leaves(party, *patterns, **settings):
    """A client that must end by itself with exit code 1 and one line that has all patterns."""
    daemon = daemons.make_client(party, "c2", "stranger", **settings)
    party.daemons.remove(daemon)
    daemon.start(wait=False)
    try:
        code = daemon.process.wait(15)
    except subprocess.TimeoutExpired:
        daemon.kill()
        raise AssertionError(f"it goes on running: {daemon.tail()}") from None
    finally:
        daemon.close()
    tap.expect_equal(code, 1, f"exit code ({daemon.tail()})")
    tap.expect(any(all(part in line for part in patterns) for line in daemon.log().splitlines()),
               f"no line has all of {patterns}: {daemon.tail()}")


@plan.case("a relay by its address: what make-cert prints is enough for relay, gateway and client [OPS-1 RELAY-14]")
def by_address(party):
    traffic.ping(party.c1, topology.LAN_HOST)
    certificate = party.relayd.status()["certificate"]
    tap.expect_equal(certificate["development"], False, "a self-made certificate of the relay's own?")
    tap.expect(certificate["sha256"] in party.words, f"the printed fingerprint is not {certificate['sha256']}")
    tap.expect(certificate["expires_days"] in (3649, 3650), f"ten years: {certificate['expires_days']} days")


@plan.case("a player that has pinned another certificate refuses the relay, and says what to do [NET-1]")
def another_pin(party):
    _, endpoint, _ = made(party, "other", topology.RELAY)
    leaves(party, "not trusted", "relay_ca", **endpoint)


@plan.case("a relay by its name: the certificate is for that name and for no other [NET-1]")
def by_name(party):
    relay, endpoint, words = made(party, "name", "--days", "30", NAME)
    tap.expect_equal((endpoint["relay"], endpoint["server_name"]), (NAME, NAME), "the printed names")
    tap.expect("/relay-ca.der" in words, words)
    endpoint["relay"] = f"{topology.RELAY}:4433"  # there is no DNS here
    named = daemons.make_relay(party, "named", listen=f"{topology.RELAY}:4433", **relay).start()
    client = daemons.make_client(party, "c2", **endpoint).start()
    tap.expect(client.connected(), f"not connected: {client.tail()}")
    client.stop()
    party.daemons.remove(client)
    leaves(party, NAME, "server_name", **{**endpoint, "server_name": "other.example.org"})
    named.stop()
    party.daemons.remove(named)


@plan.case("a renewed pair is taken over by a reload: nobody is lost, newcomers see the new one [RELAY-14 OPS-2]")
def renewed(party):
    relay, old, _ = made(party, "before", NAME)
    fresh, new, _ = made(party, "after", NAME)
    old["relay"] = new["relay"] = f"{topology.RELAY}:4433"
    named = daemons.make_relay(party, "renewed", listen=f"{topology.RELAY}:4433", **relay).start()
    client = daemons.make_client(party, "c2", "stays", **old).start()
    standard.give_address(party, "c2")
    before = named.status()["certificate"]["sha256"]
    # What the renewal hook of docs/operating.md does: both files are replaced, then one reload.
    for key in ("certificate", "private_key"):
        shutil.copyfile(fresh[key], relay[key] + ".new")
        os.rename(relay[key] + ".new", relay[key])
    named.process.send_signal(signal.SIGHUP)
    traffic.eventually("status shows the new certificate",
                       lambda: named.status()["certificate"]["sha256"] != before, 5)
    other = daemons.make_client(party, "c1", "comes", tap="other0", **new).start()
    tap.expect(other.connected(), f"a newcomer with the new pin is not connected: {other.tail()}")
    tap.expect_equal([client.connected(), client.status()["reconnects"]], [True, 0], "the one who was there")
    other.stop()
    client.stop()
    leaves(party, "not trusted", **old)
    named.stop()
    for daemon in (other, client, named):
        party.daemons.remove(daemon)


@plan.case("the key is for the relay's group alone, if there is one, else for root; the copies are for everybody [OPS-5]")
def access(party):
    with open("/etc/group", encoding="utf-8") as file:
        groups = [line for line in file if not line.startswith("softlan-relay:")]
    for folder, more, mode, owner in (("without", [], 0o600, 0), ("with", [f"softlan-relay:x:{GROUP}:\n"], 0o640, GROUP)):
        out = party.path(folder)
        os.mkdir(out)
        with open(party.path("group"), "w", encoding="utf-8") as file:
            file.writelines(groups + more)
        # Seen by this one alone: programs of a party have mounts of their own.
        process = party.relay.popen([os.path.join(SCRIPTS, "make-cert"), "--out", out, "relay.example.org"], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, prepare=lambda: subprocess.run(
                                        ["mount", "--bind", party.path("group"), "/etc/group"], check=True))
        said, _ = process.communicate(timeout=30)
        tap.expect_equal(process.returncode, 0, f"exit code {folder} the group ({said.strip()})")
        found = {name: os.stat(os.path.join(out, name)) for name in os.listdir(out)}
        tap.expect_equal({name: stat.st_mode & 0o777 for name, stat in sorted(found.items())},
                         {"relay-ca.der": 0o644, "relay.crt": 0o644, "relay.key": mode}, f"modes {folder} the group")
        tap.expect_equal(found["relay.key"].st_gid, owner, f"the key's group {folder} the group")
        tap.expect(f"mode 0{mode:o}" in said, said)


@plan.case("nothing is overwritten, and wrong words are refused before anything is written [OPS-1]")
def refuses(party):
    folder = os.path.dirname(party.endpoint["relay_ca"])
    before = {name: os.stat(os.path.join(folder, name)) for name in os.listdir(folder)}
    done = make_cert("--out", folder, topology.RELAY)
    tap.expect_equal(done.returncode, 1, "exit code over a pair that exists")
    tap.expect("exists" in done.stderr, done.stderr)
    tap.expect_equal({name: os.stat(os.path.join(folder, name)) for name in os.listdir(folder)}, before, "the files")
    os.mkdir(party.path("empty"))
    for words in ((), ("a", "b"), ("relay.example.org:443",), ("[2001:db8::1]",), ("-x",), ("--days", "0", "a"),
                  ("--days", "x", "a"), ("--days",), ("a b",), ("a\nb",), ("",)):
        done = make_cert("--out", party.path("empty"), *words)
        tap.expect_equal(done.returncode, 2, f"exit code for {words} ({done.stderr.strip()})")
        tap.expect("make-cert: " in done.stderr, done.stderr)
    done = make_cert("--out", party.path("empty"), "1.2.3")  # an address that is none: openssl says so
    tap.expect_equal(done.returncode, 1, f"exit code for a wrong address ({done.stderr.strip()})")
    tap.expect_equal(os.listdir(party.path("empty")), [], "what was written")


if __name__ == "__main__":
    plan.main()
