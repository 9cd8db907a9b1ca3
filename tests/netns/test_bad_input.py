#!/usr/bin/python3 -B
"""Bad input: each mistake is one sentence with its place and remedy, and the right exit code:
2 for usage and configuration, 1 for a failure."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, ns, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

NOBODY = 65534


def setup():
    party = standard.start(clients=("c1",), relay={
        "rooms": [{"code": "ROOM1"}, {"code": "SECRET", "secret": "swordfish"}],
        "limits": {"peers_per_room": 3}})
    os.chmod(party.directory, 0o755)
    return party


plan = tap.Plan(setup)


def ends(party, kind, role, code, patterns, settings=None, text=None, args=(), prepare=None, env=None, timeout=15,
         programs=None):
    """Runs a daemon that must end by itself with this exit code and say one line with all patterns."""
    name = f"bad-{kind}"
    settings = settings or {}
    if kind == "relay":
        daemon = daemons.make_relay(party, name, **{"listen": f"{topology.RELAY}:4433", **settings})
    elif kind == "gateway":
        daemon = daemons.make_gateway(party, name, **settings)
    else:
        daemon = daemons.make_client(party, role, name, tap="bad0", **settings)
    party.daemons.remove(daemon)
    content = daemons.config_text(daemon.settings) if text is None else text
    if text != "":
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(daemon.config, 0o644)
    program = os.path.join(programs, f"softlan-{kind}") if programs else daemons.program(f"softlan-{kind}")
    process = party.spaces[role].popen([program, "-c", daemon.config, *args],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, prepare=prepare,
                                       env=daemons.environment(env))
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError(f"it goes on running instead of ending; it said: {output[-600:]}") from None
    finally:
        if text != "":
            os.unlink(daemon.config)
    tap.expect(not daemons.REPORTS.search(output), f"sanitizer report: {output[-2000:]}")
    tap.expect_equal(process.returncode, code, f"exit code (it said: {output[-600:].strip()})")
    lines = [line for line in output.splitlines() if all(re.search(one, line, re.I) for one in patterns)]
    tap.expect(lines, f"no line has all of {patterns}: {output[-800:].strip()}")
    tap.expect(len(output.splitlines()) <= 12, f"too many words: {output[-1500:]}")
    return output


def stays_out(party, daemon, *patterns):
    """A daemon that is refused but may try again: not READY, and its status and log say why."""
    daemon.start(wait=False)
    try:
        def said():
            daemon.check()
            sentences = " ".join(daemon.status().get("sentences", [])) if os.path.exists(daemon.control) else ""
            return all(re.search(one, sentences, re.I) for one in patterns)
        traffic.eventually(f"status of {daemon.name} says {patterns}", said, 10)
        tap.expect(not daemon.noted("READY=1"), f"{daemon.name} said READY without being admitted")
        tap.expect(any(all(re.search(one, line, re.I) for one in patterns) for line in daemon.log().splitlines()),
                   f"the log does not say {patterns}: {daemon.tail()}")
    finally:
        daemon.stop()
        party.daemons.remove(daemon)


def write(party, name, text, mode=0o644):
    path = party.path(name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def certificate(party, name, host, authority=None):
    """An ECDSA certificate made with openssl, self-signed or signed by `authority`."""
    key, crt = party.path(f"{name}.key"), party.path(f"{name}.crt")
    signer = ["-CA", party.path(f"{authority}.crt"), "-CAkey", party.path(f"{authority}.key")] if authority else []
    if authority:
        # Also with an openssl whose `req` can't sign by a CA itself.
        csr = party.path(f"{name}.csr")
        extension = write(party, f"{name}.ext", f"subjectAltName=DNS:{host}\n")
        ns.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", key, "-out", csr, "-subj", f"/CN={host}"])
        ns.run(["openssl", "x509", "-req", "-in", csr, *signer, "-CAcreateserial", "-days", "30", "-out", crt,
                "-extfile", extension])
    else:
        ns.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", key, "-out", crt, "-days", "30", "-subj", f"/CN={host}"])
    return crt, key


@plan.case("unknown key: file, line and key are named, exit 2 [OPS-1]")
def unknown_key(party):
    for kind, role in (("relay", "relay"), ("gateway", "gw"), ("client", "c1")):
        ends(party, kind, role, 2, [rf"bad-{kind}\.conf:1: ", "colour"], text='colour = "red";\n')


@plan.case("every error of a file is reported at once [OPS-1]")
def all_errors(party):
    output = ends(party, "relay", "relay", 2, [r":1: ", "colour"],
                  text='colour = "red";\nlisten = 443;\nlimits: { rooms = -1; };\noffload = true;\noffload = false;\n')
    for place in (":2: ", ":3: ", ":5: "):
        tap.expect(place in output, f"no error for line {place}: {output}")


@plan.case("wrong type and out of range: what was expected is said, exit 2 [OPS-1]")
def wrong_type(party):
    ends(party, "relay", "relay", 2, [r":1: ", "listen", "string"], text="listen = 443;\n")
    ends(party, "gateway", "gw", 2, [r":2: ", "cam_refresh_interval"],
         text='interface = "lan0";\ncam_refresh_interval = "often";\n')
    ends(party, "client", "c1", 2, ["max_size"], settings={"datagram": {"max_size": 1200}})


@plan.case("broken syntax: file and line, exit 2 [OPS-1]")
def syntax(party):
    ends(party, "client", "c1", 2, [r"bad-client\.conf:2"], text='room = "ROOM1";\nrelay == ;\n')


@plan.case("--check reports errors and exits 2, or is content and exits 0 [OPS-1]")
def check_only(party):
    ends(party, "relay", "relay", 2, ["colour"], text='colour = "red";\n', args=["--check"])
    ends(party, "relay", "relay", 0, [], args=["--check"])


@plan.case("--dump-config prints a file that --check accepts [OPS-1]")
def dump(party):
    for kind, role in (("relay", "relay"), ("gateway", "gw"), ("client", "c1")):
        text = ends_quietly(party, kind, role)
        ends(party, kind, role, 0, [], text=text, args=["--check"])


def ends_quietly(party, kind, role):
    config = {"relay": party.relayd, "gateway": party.gateway, "client": party.clients["c1"]}[kind].config
    return party.spaces[role].run([daemons.program(f"softlan-{kind}"), "-c", config, "--dump-config"],
                                  env=daemons.environment())


@plan.case("usage: an unknown option exits 2 [OPS-1]")
def usage(party):
    for kind, role in (("relay", "relay"), ("gateway", "gw"), ("client", "c1")):
        ends(party, kind, role, 2, ["frobnicate"], args=["--frobnicate"])


@plan.case("missing configuration file: its name, exit 2 [OPS-1]")
def missing_file(party):
    for kind, role in (("relay", "relay"), ("gateway", "gw"), ("client", "c1")):
        ends(party, kind, role, 2, [rf"bad-{kind}\.conf", "No such file|not found|does not exist|missing"], text="")


@plan.case("missing relay_ca file: its name, exit 2 [CORE-1]")
def missing_ca(party):
    for kind, role in (("gateway", "gw"), ("client", "c1")):
        ends(party, kind, role, 2, [r"nowhere\.der"], settings={"relay_ca": party.path("nowhere.der")})


@plan.case("relay certificate missing or unreadable: its name, exit 2 [RELAY-14]")
def bad_certificate(party):
    _, key = certificate(party, "one", "relay.example")
    rubbish = write(party, "rubbish.crt", "this is no certificate\n")
    ends(party, "relay", "relay", 2, [r"nowhere\.crt"],
         settings={"certificate": party.path("nowhere.crt"), "private_key": key})
    ends(party, "relay", "relay", 2, [r"rubbish\.crt"], settings={"certificate": rubbish, "private_key": key})


@plan.case("a private key that does not match its certificate: both named, exit 2 [RELAY-14]")
def key_mismatch(party):
    crt, _ = certificate(party, "one", "relay.example")
    _, key = certificate(party, "two", "relay.example")
    ends(party, "relay", "relay", 2, [r"two\.key", r"one\.crt", "match|belong"],
         settings={"certificate": crt, "private_key": key})


@plan.case("port in use: the address, exit 1 [RELAY-1]")
def port_in_use(party):
    ends(party, "relay", "relay", 1, [rf"{re.escape(topology.RELAY)}:443", "in use"],
         settings={"listen": f"{topology.RELAY}:443"})


@plan.case("no such interface: its name, exit 1 [GW-1]")
def no_interface(party):
    ends(party, "gateway", "gw", 1, ["eth77"], settings={"interface": "eth77"})


@plan.case("a Wi-Fi interface is refused, from sysfs [GW-1]")
def wifi(party):
    root = party.path("sys-wifi")
    _fake_sysfs(root, "lan0", {"carrier": "1"}, directories=("wireless", "phy80211"))
    ends(party, "gateway", "gw", 1, ["lan0", r"wi-?fi|wireless", "wired|cable"], env={"SOFTLAN_SYSFS": root})


@plan.case("an interface without carrier is refused, from sysfs and for real [GW-1]")
def no_carrier(party):
    root = party.path("sys-carrier")
    _fake_sysfs(root, "lan0", {"carrier": "0", "operstate": "down"})
    ends(party, "gateway", "gw", 1, ["lan0", "carrier|cable"], env={"SOFTLAN_SYSFS": root})
    party.gw.batch(["link add spare0 type veth peer name spare1", "link set spare0 up"])
    ends(party, "gateway", "gw", 1, ["spare0", "carrier|cable"], settings={"interface": "spare0"})
    party.gw.batch(["link del spare0"])


def _fake_sysfs(root, interface, files, directories=()):
    place = os.path.join(root, "class", "net", interface)
    os.makedirs(place)
    for name, text in {"type": "1", "flags": "0x1003", "operstate": "up", "addr_len": "6", **files}.items():
        write_to = os.path.join(place, name)
        with open(write_to, "w", encoding="ascii") as file:
            file.write(text + "\n")
    for name in directories:
        os.mkdir(os.path.join(place, name))


@plan.case("no /dev/net/tun: said with the remedy, exit 1 [LIN-1]")
def no_tun(party):
    ends(party, "client", "c1", 1, ["/dev/net/tun"], prepare=lambda: ns.hide("/dev/net"))


@plan.case("no privilege: which one is missing is said, exit 1 [LIN-1 GW-1]")
def no_privilege(party):
    def drop():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    os.chmod(party.path("relay.der"), 0o644)
    place = party.path("nobody")
    os.makedirs(place, exist_ok=True)
    os.chown(place, NOBODY, NOBODY)
    # Copies: where the build is may be closed to others.
    for kind in ("gateway", "client"):
        shutil.copy(daemons.program(f"softlan-{kind}"), place)
    ends(party, "gateway", "gw", 1, ["CAP_NET_RAW|root|privilege|permitted|permission"], programs=place,
         settings={"control_socket": f"{place}/g.sock"}, prepare=drop)
    ends(party, "client", "c1", 1, ["CAP_NET_ADMIN|root|privilege|permitted|permission"], prepare=drop, programs=place,
         settings={"control_socket": f"{place}/c.sock", "identity_file": f"{place}/id.json"})


@plan.case("unresolvable relay: its name in the status, no TAP, no READY; it goes on trying [NET-3]")
def unresolvable(party):
    client = daemons.make_client(party, "c2", "lost", tap="lost0", relay="relay.invalid")
    client.start(wait=False)
    try:
        traffic.eventually("the status names relay.invalid", lambda: os.path.exists(client.control) and
                           "relay.invalid" in " ".join(client.status()["sentences"]), 10)
        tap.expect(not client.noted("READY=1"), "it said READY")
        up = [link for link in party.c2.ip_json("link show") if link["ifname"] == "lost0" and "UP" in link["flags"]]
        tap.expect(not up, "the TAP is up before the relay's name is resolved")
        tap.expect("relay.invalid" in client.log(), f"the log does not name it: {client.tail()}")
    finally:
        client.stop()
        party.daemons.remove(client)


@plan.case("wrong pin: the relay's certificate is not the pinned one, exit 1 [CORE-1]")
def wrong_pin(party):
    crt, _ = certificate(party, "stranger", "softlan-relay.local")
    for kind, role in (("gateway", "gw"), ("client", "c2")):
        ends(party, kind, role, 1, ["certificate", r"relay_ca|stranger\.crt|pin|trust"], settings={"relay_ca": crt})


@plan.case("wrong name: the certificate is for another name, exit 1 [CORE-1]")
def wrong_name(party):
    certificate(party, "ca", "Party CA")
    crt, key = certificate(party, "signed", "right.example", authority="ca")
    relay = daemons.make_relay(party, "named", listen=f"{topology.RELAY}:8443", certificate=crt, private_key=key)
    relay.start()
    try:
        common = {"relay": f"{topology.RELAY}:8443", "relay_ca": party.path("ca.crt")}
        ends(party, "client", "c2", 1, ["certificate", "name", r"wrong\.example"],
             settings={**common, "server_name": "wrong.example"})
        good = daemons.make_client(party, "c2", "good", tap="good0", server_name="right.example", **common)
        good.start()
        good.stop()
        party.daemons.remove(good)
    finally:
        relay.stop()
        party.daemons.remove(relay)


@plan.case("wrong room: a code that is not configured, or no valid code [RELAY-2 CTRL-6]")
def wrong_room(party):
    ends(party, "client", "c2", 1, ["room", "ROOM9"], settings={"room": "ROOM9"})
    ends(party, "client", "c2", 2, ["room"], settings={"room": "no spaces please"})
    ends(party, "client", "c2", 2, ["room"], settings={"room": ""})


@plan.case("wrong secret: exit 1 with the relay's sentence; the right one is let in [CTRL-4]")
def wrong_secret(party):
    ends(party, "client", "c2", 1, ["secret"], settings={"room": "SECRET", "secret": "guess"})
    good = daemons.make_client(party, "c2", "insider", tap="good0", room="SECRET", secret="swordfish")
    good.start()
    good.stop()
    party.daemons.remove(good)


@plan.case("duplicate MAC: refused with the MAC, tries again [RELAY-2]")
def duplicate_mac(party):
    mac = party.c1.mac("softlan0")
    twin = daemons.make_client(party, "c2", "twin", tap="twin0", virtual_mac=mac)
    stays_out(party, twin, "MAC|duplicate")
    traffic.ping(party.c1, topology.LAN_HOST)


@plan.case("a virtual_mac that can't be an identity: exit 2 [PROTO-5 CORE-2]")
def bad_mac(party):
    for mac in ("01:00:5e:00:00:01", "00:16:3e:77:00:01", "00:00:00:00:00:00", "hello"):
        ends(party, "client", "c2", 2, ["virtual_mac"], settings={"virtual_mac": mac})


@plan.case("second gateway: refused, tries again [RELAY-2]")
def second_gateway(party):
    stays_out(party, daemons.make_gateway(party, "second"), "gateway")
    traffic.ping(party.c1, topology.LAN_HOST)


@plan.case("full room: refused, tries again [RELAY-2]")
def full_room(party):
    third = daemons.make_client(party, "c2", "third", tap="third0").start()  # gateway, c1, third: three peers
    try:
        stays_out(party, daemons.make_client(party, "c2", "fourth", tap="fourth0"), "full")
    finally:
        third.stop()
        party.daemons.remove(third)


@plan.case("softlanctl: no daemon exits 3, unknown verb exits 2, a no of the daemon 1 [OPS-3]")
def ctl(party):
    def code(*argv):
        done = subprocess.run([daemons.program("softlanctl"), *argv], capture_output=True, text=True, check=False,
                              timeout=10, env=daemons.environment())
        return done.returncode, done.stderr
    result, text = code("-s", party.path("nobody-here.sock"), "status")
    tap.expect(result == 3 and "nobody-here.sock" in text, f"no daemon: exit {result}: {text}")
    result, text = code("-s", party.relayd.control, "dance")
    tap.expect(result == 2 and "dance" in text, f"unknown verb: exit {result}: {text}")
    result, text = code("-s", party.relayd.control, "rooms", "NOSUCH")
    tap.expect(result == 1 and "NOSUCH" in text, f"unknown room: exit {result}: {text}")


if __name__ == "__main__":
    plan.main()
