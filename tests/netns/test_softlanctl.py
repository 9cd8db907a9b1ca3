#!/usr/bin/python3 -B
"""softlanctl with real daemons: kick, colour, Prometheus, completion."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, hostile, standard, tap, terminal, topology, traffic  # noqa: E402

SOURCE = os.environ.get("SOFTLAN_SOURCE") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
plan = tap.Plan(lambda: standard.start(clients=("c1",)))


def ctl(daemon, *words, **options):
    options = {"stdin": subprocess.DEVNULL, "timeout": 20, **options}
    return subprocess.run([daemons.program("softlanctl"), "-s", daemon.control, *words], text=True, check=False,
                          capture_output=True, env=daemons.environment(), **options)


def expect_ctl(daemon, words, code, *said):
    done = ctl(daemon, *words)
    tap.expect(done.returncode == code and all(word in done.stdout + done.stderr for word in said),
               f"softlanctl {' '.join(words)}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


# --- kick

@plan.case("kick: the peer and its room are told why, the connection ends with code 4 [OPS-3 RELAY-13]")
def kick(party):
    peer = hostile.RawPeer(party, "c2")
    with contextlib.closing(peer), contextlib.closing(hostile.Watch(party.relayd)) as watch:
        expect_ctl(party.relayd, ["kick", str(peer.id), "too", "loud at night"], 0, f"Peer {peer.id} is out of room",
                   "ROOM1", "(too loud at night)", "secret")
        peer.wait("closed", 5)
        tap.expect_equal([one["reason"] for one in peer.message("disconnect")], ["too loud at night"],
                         "what the peer was told")
        closed = peer.seen("closed")[0]
        tap.expect_equal(closed.get("code"), 4, f"close code of {closed}")
        watch.wait("kicked", 5, peer=peer.id, room="ROOM1", reason="too loud at night")
        watch.wait("peer_left", 5, peer=peer.id, reason="too loud at night")
    tap.expect(f"peer kicked by an operator, room ROOM1 peer {peer.id}" in party.relayd.log(), "no log line")


@plan.case("a kicked client comes back by itself; its interface and address stay [OPS-3 CORE-1]", limit=60)
def comes_back(party):
    client = party.clients["c1"]
    before = client.status()["peer_id"]
    address = party.c1.addresses("softlan0")
    answer = party.relayd.ctl("kick", str(before))
    tap.expect_equal(answer, {"peer": before, "room": "ROOM1", "reason": "kicked"}, "the answer")
    traffic.eventually("the client is back", lambda: client.connected() and client.status()["peer_id"] != before, 15)
    tap.expect("(kicked)" in client.log(), "the client does not say why")
    tap.expect_equal(party.c1.addresses("softlan0"), address, "addresses")
    traffic.ping(party.c1, topology.LAN_HOST)


@plan.case("kick refuses what is no peer, no id and no reason; gateway and client have no such verb [OPS-3]")
def kick_refused(party):
    relayd = party.relayd
    expect_ctl(relayd, ["kick", "65000"], 1, "65000", "not_found")
    for words in (["0"], ["65536"], ["-1"], ["1x"], ["99999999999999999999999999"]):
        done = ctl(relayd, "kick", "--", *words)
        tap.expect(done.returncode == 1 and "usage" in done.stderr, f"kick {words}: {done.returncode} {done.stderr}")
    expect_ctl(relayd, ["kick", "1", "x" * 65], 1, "64 characters", "usage")
    expect_ctl(relayd, ["kick", "1", "größer"], 1, "printable ASCII", "usage")
    expect_ctl(relayd, ["kick", "1", "a b c d e f g"], 2, "6 words")
    expect_ctl(relayd, ["kick"], 2, "ID")
    tap.expect_equal(len(relayd.peers()), 2, "peers that are still there")
    for daemon in (party.gateway, party.clients["c1"]):
        expect_ctl(daemon, ["kick", "1"], 1, "unsupported")


@plan.case("kick is for root and the daemon's own user [OPS-3]")
def kick_denied(party):
    program = party.path("softlanctl")  # where everybody may run it
    shutil.copy(daemons.program("softlanctl"), program)
    os.chmod(party.directory, 0o755)
    os.chmod(party.relayd.control, 0o666)
    try:
        words = [program, "-s", party.relayd.control]

        def as_nobody(*verb):
            return subprocess.run([*words, *verb], text=True, capture_output=True, check=False, timeout=10,
                                  user=65534, group=65534, extra_groups=[])
        done = as_nobody("kick", "1")
        tap.expect(done.returncode == 1 and "denied" in done.stderr, f"exit {done.returncode}: {done.stderr}")
        tap.expect_equal(as_nobody("rooms").returncode, 0, "rooms as another user")
    finally:
        os.chmod(party.relayd.control, 0o660)
        os.chmod(party.directory, 0o700)


# --- colour

@plan.case("colour on a terminal; none with --json, NO_COLOR, TERM=dumb or in a pipe [OPS-3]")
def colour(party):
    program = daemons.program("softlanctl")

    def shown(*words, env=None):
        with terminal.Terminal([program, "-s", party.relayd.control, *words], env=env) as term:
            tap.expect_equal(term.wait(), 0, "exit code")
            return term.raw
    tap.expect(b"\x1b[1mCODE\x1b[0m" in shown("rooms"), "the header is not bold")
    tap.expect(b"\x1b" not in shown("--json", "rooms"), "colour with --json")
    for env in ({"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}, {}):
        tap.expect(b"\x1b" not in shown("rooms", env=env), f"colour with {env}")
    tap.expect(b"\x1b[1mCODE" in shown("rooms", env={"TERM": "xterm", "NO_COLOR": ""}), "an empty NO_COLOR counts")
    tap.expect("\x1b" not in party.relayd.ctl_text("rooms"), "colour in a pipe")
    with hostile.RawPeer(party, "c2") as peer:
        peer.send(bytes.fromhex("ffffffffffff0266000000990800") + bytes(46))  # a forged source
        traffic.eventually("the drop is counted", lambda: any(one["drops"] for one in party.relayd.peers()))
        tap.expect(re.search(rb"\x1b\[33m(forged|invalid)_source:1\x1b\[0m", shown("peers")), "drops are not yellow")


# --- Prometheus

def samples(text):
    return {(name, labels): int(value) for name, labels, value in
            re.findall(r"^(\w+)\{(.*)\} (\d+)$", text, re.MULTILINE)}


def numbers(value):
    """All numbers of a document."""
    if isinstance(value, dict):
        return [one for item in value.values() for one in numbers(item)]
    return [] if isinstance(value, str) or value is None else [int(value)]


@plan.case("stats --prometheus: promtool finds neither errors nor lint, on relay, gateway and client [OPS-3 OBS-2]")
def prometheus(party):
    for daemon in (party.relayd, party.gateway, party.clients["c1"]):
        text = daemon.ctl_text("stats", "--prometheus")
        done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True,
                              timeout=30, check=False)
        tap.expect(done.returncode == 0 and not done.stdout and not done.stderr,
                   f"promtool on {daemon.name}: exit {done.returncode}: {done.stdout}{done.stderr}")
        found = samples(text)
        tap.expect(all(f'daemon="{daemon.kind}"' in labels for _, labels in found), "the label daemon")
        # Everything that stats has, and nothing twice.
        stats = daemon.ctl("stats")
        tap.expect_equal(len(found), len(numbers(stats)), f"samples of {daemon.name}: {sorted(found)}")
        typed = re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE)
        tap.expect(len(typed) == len(set(typed)) and {name for name, _ in found} <= set(typed), "one TYPE for each")
        for reason, count in stats["counters"]["drops"].items():
            tap.expect_equal(found[("softlan_drops_total", f'daemon="{daemon.kind}",reason="{reason}"')], count, reason)
    expect_ctl(party.relayd, ["--prometheus", "rooms"], 2, "--prometheus goes with stats")
    expect_ctl(party.relayd, ["--prometheus", "--json", "stats"], 2, "exclude")


@plan.case("promtool would say so: a wrong name and a wrong line are found [OPS-3]")
def promtool_judges(party):
    text = party.relayd.ctl_text("stats", "--prometheus")
    for wrong in (text.replace("softlan_drops_total", "softlan_drops"), text + "nonsense{\n"):
        done = subprocess.run(["promtool", "check", "metrics"], input=wrong, text=True, capture_output=True,
                              timeout=30, check=False)
        tap.expect(done.returncode != 0, "promtool passes what is wrong")


# --- completion

BASH = r"""
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_softlanctl "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(*words):
    done = subprocess.run(["bash", "-c", BASH, "bash", os.path.join(SOURCE, "completions", "softlanctl.bash"),
                           daemons.program("softlanctl"), *words], text=True, capture_output=True, timeout=20,
                          check=True)
    tap.expect_equal(done.stderr, "", f"stderr when completing {words}")
    return done.stdout.split()


@plan.case("the completions in the tree are those of the verb table [OPS-3]")
def completions_current(_):
    for shell, name in (("bash", "softlanctl.bash"), ("zsh", "_softlanctl")):
        made = subprocess.run([daemons.program("src/softlanctl/completions"), shell], capture_output=True, text=True,
                              check=True, timeout=10).stdout
        with open(os.path.join(SOURCE, "completions", name), encoding="utf-8") as file:
            tap.expect(file.read() == made, f"completions/{name} is old: make completions makes it anew")


@plan.case("bash completes verbs, options, daemons, levels, live room codes and peer ids [OPS-3]")
def bash_completes(party):
    verbs = complete("")
    tap.expect({"status", "rooms", "peers", "stats", "watch", "kick", "reload", "log", "top", "help"} == set(verbs),
               f"verbs: {verbs}")
    tap.expect_equal(complete("r"), ["rooms", "reload"], "verbs with r")
    tap.expect_equal(complete("--j"), ["--json"], "options with --j")
    tap.expect_equal(complete("-d", ""), ["relay", "gateway", "client"], "daemons")
    tap.expect_equal(complete("--daemon", "=", "g"), ["gateway"], "daemons after --daemon=")
    tap.expect_equal(complete("log", ""), ["error", "warning", "info", "debug"], "levels")
    tap.expect_equal(complete("status", ""), [], "after status")
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "some where"))
        tap.expect_equal(" ".join(complete("-s", os.path.join(folder, "so"))), os.path.join(folder, "some where"),
                         "files after -s")
    socket = ["-s", party.relayd.control]
    tap.expect_equal(complete(*socket, "rooms", ""), ["ROOM1"], "rooms")
    tap.expect_equal(complete("--socket", "=", party.relayd.control, "peers", "R"), ["ROOM1"], "rooms of --socket=")
    ids = {str(one["id"]) for one in party.relayd.peers()}
    tap.expect_equal(set(complete(*socket, "kick", "")), ids, "peer ids")
    tap.expect_equal(complete(*socket, "rooms", "ROOM1", ""), [], "after the room")
    tap.expect_equal(complete("-s", party.path("nobody.sock"), "rooms", ""), [], "rooms of no daemon")


@plan.case("what a daemon says is no command to the shell that completes [OPS-3]")
def completion_is_safe(party):
    mark, path = party.path("executed"), party.path("false.sock")
    codes = [f"$(touch {mark})", f"`touch {mark}`", f"a;touch {mark}", "\x1b[2J", "GOOD", f"$(touch${{IFS}}{mark})"]
    with hostile.false_daemon(path, {"rooms": {"rooms": [{"code": code, "id": 1} for code in codes]}}):
        tap.expect_equal(complete("-s", path, "rooms", ""), ["GOOD"], "offered")
    tap.expect(not os.path.exists(mark), "the shell has run a command of the daemon's")


@plan.case("zsh: the completion is well-formed and registers itself [OPS-3]")
def zsh_loads(_):
    script = "fpath=($1 $fpath); autoload -Uz compinit; compinit -u -D; print -r -- $_comps[softlanctl]; " \
        "autoload +X _softlanctl && print loaded"
    done = subprocess.run(["zsh", "-f", "-c", script, "zsh", os.path.join(SOURCE, "completions")], text=True,
                          capture_output=True, timeout=30, check=False)
    tap.expect_equal((done.stdout.split(), done.stderr), (["_softlanctl", "loaded"], ""), "zsh says")


@plan.case("exit codes: 0 done, 1 the daemon said no, 2 usage, 3 not running [OPS-3]")
def exit_codes(party):
    relayd = party.relayd
    for words in (["status"], ["rooms"], ["peers"], ["stats"], ["--json", "stats"], ["help"], ["--version"]):
        expect_ctl(relayd, words, 0)
    expect_ctl(relayd, ["rooms", "NONE"], 1, "not_found")
    for words in (["log"], ["status", "x"], ["dance"], ["-t", "0", "status"], ["--no-such-option"], ["-d", "x"]):
        expect_ctl(relayd, words, 2, "--help")
    done = subprocess.run([daemons.program("softlanctl"), "-s", party.path("nobody.sock")], capture_output=True,
                          text=True, check=False, timeout=10)
    tap.expect_equal(done.returncode, 3, "exit code without a daemon")
    tap.expect(json.loads(ctl(relayd, "-j", "rooms").stdout)["rooms"], "rooms as JSON")


if __name__ == "__main__":
    plan.main()
