#!/usr/bin/python3 -B
"""The units in a real systemd: hardening, watchdog, failures that say why, reload."""

import json
import os
import re

import container
import roots
from container import traffic
from party import pairs, tap

LIMITS = {"relay": 1.5, "gateway": 2.5, "client": 2.5}
CAPABILITIES = {"relay": 1 << 10, "gateway": 1 << 13, "client": 1 << 12}  # NET_BIND_SERVICE, NET_RAW, NET_ADMIN
SCHED_RR = 2
RELAY = "softlan-relay"
RELAY_CONF = "/etc/softlan/relay.conf"
GOOD = 'dev_certificate_out = "/var/lib/softlan/relay/relay-ca.der";\n'
BAD = GOOD + "\nlimits: { rooms = -5; };\n"
COMPLAINT = f"{RELAY_CONF}:3: limits.rooms: expected"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/softlan"
HOLDER = ("import socket, time\ns = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
          "s.bind(('::', 443))\ntime.sleep(60)\n")
ENDPOINT = 'relay = "127.0.0.1:9"; relay_ca = ""; room = "ROOM1";\n'


def fill(systems):
    systems.box = systems.boxes()
    for box in systems.box.values():
        box.write("/etc/softlan/gateway.conf", ENDPOINT + 'interface = "lan0";\n')
        box.write("/etc/softlan/client.conf", ENDPOINT)
        box.run(["ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1"])
        box.run(["ip", "link", "set", "lan0", "up"])
        box.run(["ip", "link", "set", "lan1", "up"])


plan = container.plan(fill)


def start_all(box):
    """All three daemons run: the relay is ready, the others look for theirs. Their process ids by kind."""
    box.drop_in(RELAY, "")
    box.write(RELAY_CONF, GOOD)
    box.run(["systemctl", "reset-failed"])
    box.run(["systemctl", "start", RELAY])
    box.run(["systemctl", "start", "--no-block", "softlan-gateway", "softlan-client"])
    for kind in ("gateway", "client"):
        traffic.eventually(f"the {kind} looks for its relay", lambda kind=kind: box.show(f"softlan-{kind}", "StatusText"))
    return {kind: box.main_pid(f"softlan-{kind}") for kind in LIMITS}


def status(box, unit=RELAY):
    """What an operator reads who asks for it."""
    return box.run(["systemctl", "status", "--no-pager", "--full", unit], check=False)


def fails(box, word):
    """The relay does not start, and `systemctl status` has the word."""
    box.run(["systemctl", "reset-failed", RELAY])  # systemd starts a unit five times in ten seconds, and no more
    code, _ = box.result(["systemctl", "start", RELAY])
    tap.expect(code != 0, "systemctl start succeeds")
    traffic.eventually(f"`{word}` in systemctl status", lambda: word in status(box), 3)


def certbot_hook():
    """The hook that docs/operating.md gives to operators."""
    with open(os.path.join(roots.SOURCE, "docs/operating.md"), encoding="utf-8") as file:
        text = file.read()
    start = text.index("    #!/bin/sh\n")
    return re.sub("^    ", "", text[start:text.index("\n\n", start) + 1], flags=re.MULTILINE)


def renew(box, name):
    """What certbot leaves of a renewal, but for the authority. The certificate's fingerprint."""
    lineage = box.path(f"/etc/letsencrypt/live/{name}")
    os.makedirs(lineage, mode=0o700, exist_ok=True)
    crt, key = f"{lineage}/fullchain.pem", f"{lineage}/privkey.pem"
    pairs.write(crt, key, name)
    os.chmod(key, 0o600)
    return roots.run(["openssl", "x509", "-in", crt, "-noout", "-fingerprint", "-sha256"], 20).split("=")[1].strip().replace(
        ":", "").lower()


def cases(release):  # pylint: disable=R0915
    """The cases of one release."""

    @plan.case(f"{release}: systemd-analyze security: relay at most 1.5, gateway and client 2.5 [OPS-4]")
    def _(systems):
        box = systems.box[release]
        for kind, limit in LIMITS.items():
            output = box.run(["systemd-analyze", "security", "--no-pager", f"softlan-{kind}.service"])
            figure = float(re.search(r"Overall exposure level for .*: ([\d.]+)", output).group(1))
            print(f"# softlan-{kind}: {figure}")
            tap.expect(figure <= limit, f"softlan-{kind}: {figure}\n{output}")

    @plan.case(f"{release}: systemd-analyze verify has no complaint [OPS-4]")
    def _(systems):
        box = systems.box[release]
        for unit in ("softlan-relay", "softlan-gateway", "softlan-gateway@x", "softlan-client", "softlan-client@x"):
            output = box.run(["systemd-analyze", "verify", "--man=no", f"{unit}.service"])
            tap.expect("softlan" not in output, output)

    @plan.case(f"{release}: each daemon runs as its user, with the capability it needs and no other [OPS-4]")
    def _(systems):
        box = systems.box[release]
        for kind, pid in start_all(box).items():
            fields = dict(line.split(":\t", 1) for line in box.read(f"/proc/{pid}/status").splitlines() if ":\t" in line)
            print(f"# softlan-{kind}: " + " ".join(f"{name}={fields[name]}" for name in
                                                   ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")))
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                tap.expect_equal(int(fields[name], 16), CAPABILITIES[kind], f"{name} of the {kind}")
            print("# " + box.run(["getpcaps", str(pid)]).strip())
            uid = box.run(["id", "-u", f"softlan-{kind}"]).strip()
            tap.expect_equal(fields["Uid"].split(), [uid] * 4, f"Uid of the {kind}")
            gid = box.run(["getent", "group", "softlan"]).split(":")[2]
            own = box.run(["id", "-g", f"softlan-{kind}"]).strip()
            tap.expect_equal(fields["Gid"].split(), [gid] * 4, f"Gid of the {kind}")
            tap.expect_equal(set(fields["Groups"].split()), {gid, own}, f"Groups of the {kind}")
            tap.expect_equal((fields["NoNewPrivs"], fields["Seccomp"]), ("1", "2"), f"NoNewPrivs, Seccomp of the {kind}")
            tap.expect_equal(box.run(["stat", "-c", "%U:%G %a", f"/run/softlan/{kind}/control.sock"]).strip(),
                             f"softlan-{kind}:softlan 660", "control socket")

    @plan.case(f"{release}: the daemons' file systems are read-only but for their own folders [OPS-4]")
    def _(systems):
        box = systems.box[release]
        box.write("/root/seen", "")
        for kind, pid in start_all(box).items():
            def there(*argv, pid=pid):
                return box.result(["nsenter", "-t", str(pid), "-m", "--", *argv])
            for path in ("/etc/softlan/x", "/usr/x", "/var/lib/x", "/proc/sys/kernel/hostname"):
                code, output = there("sh", "-c", f"echo x >>{path}")
                tap.expect(code != 0 and ("Read-only" in output or "nonexistent" in output),
                           f"{kind} may write {path}: {output}")
            own = ["/run/softlan"] if kind == "gateway" else ["/run/softlan", "/var/lib/softlan"]
            for path in own:
                code, output = there("sh", "-c", f"echo x >{path}/{kind}/x && rm {path}/{kind}/x")
                tap.expect_equal((code, output), (0, ""), f"{kind}: a file in {path}/{kind}")
            code, _ = there("test", "-e", "/dev/net/tun")
            tap.expect_equal(code == 0, kind == "client", f"{kind}: /dev/net/tun is there")
            tap.expect(there("test", "-e", "/root/seen")[0] != 0, f"{kind} sees /root")

    @plan.case(f"{release}: systemd holds services here to their devices and addresses, so the above is no paper [OPS-4]")
    def _(systems):
        box = systems.box[release]
        for setting, probe in (("IPAddressDeny=any", ["ping", "-c", "1", "-W", "1", "127.0.0.1"]),
                               ("DevicePolicy=strict", ["dd", "if=/dev/zero", "of=/dev/null", "count=1"])):
            run = ["systemd-run", "--wait", "--quiet", "--pipe"]
            tap.expect_equal(box.result(run + probe)[0], 0, f"{probe[0]} without a limit")
            tap.expect(box.result(run + ["-p", setting] + probe)[0] != 0, f"{setting} has no effect")
        address = ["IPAddressDeny=any", "IPAddressAllow=" + box.show(RELAY, "IPAddressAllow")]
        tap.expect_equal(box.result(["systemd-run", "--wait", "--quiet", "--pipe", "-p", address[0], "-p", address[1],
                                     "ping", "-c", "1", "127.0.0.1"])[0], 0, "ping with the relay's addresses")

    @plan.case(f"{release}: the client may switch off what it must of IPv6 on its TAP [LIN-4 OPS-4]")
    def _(systems):
        box = systems.box[release]
        start_all(box)
        journal = box.run(["journalctl", "-u", "softlan-client", "-o", "cat", "--no-pager"])
        tap.expect("cannot write" not in journal, journal)
        tap.expect_equal(box.run(["cat", "/proc/sys/net/ipv6/conf/softlan0/accept_ra_defrtr"]).strip(), "0",
                         "accept_ra_defrtr")

    @plan.case(f"{release}: the filter lets the relay have SCHED_RR where it has the right to it [OPS-4]")
    def _(systems):
        box = systems.box[release]
        start_all(box)
        tap.expect_equal(box.show(RELAY, "LimitRTPRIO"), "1", "LimitRTPRIO")
        # A machine that grants nobody real-time priorities by limit grants them by capability.
        box.drop_in(RELAY, "AmbientCapabilities=CAP_SYS_NICE\nCapabilityBoundingSet=CAP_SYS_NICE\n")
        box.run(["systemctl", "restart", RELAY])

        def policy():  # proc(5): field 41
            return int(box.read(f"/proc/{box.main_pid(RELAY)}/stat").rsplit(")", 1)[1].split()[38])
        traffic.eventually("SCHED_RR", lambda: policy() == SCHED_RR, 5)  # a busy start delays it by a second
        box.drop_in(RELAY, "")

    @plan.case(f"{release}: a relay that hangs is killed by the watchdog and started again [OPS-2]")
    def _(systems):
        box = systems.box[release]
        start_all(box)
        box.drop_in(RELAY, "WatchdogSec=3\nRestartSec=200ms\n")
        box.run(["systemctl", "restart", RELAY])
        pid, restarts = box.main_pid(RELAY), int(box.show(RELAY, "NRestarts"))
        box.run(["kill", "-STOP", str(pid)])
        traffic.eventually("another relay is active", lambda: box.main_pid(RELAY) not in (0, pid)
                           and box.show(RELAY, "ActiveState") == "active", 20)
        tap.expect_equal(int(box.show(RELAY, "NRestarts")), restarts + 1, "restarts")
        tap.expect("Watchdog timeout" in box.run(["journalctl", "-u", RELAY, "-o", "cat", "--no-pager"]), status(box))
        box.run(["softlanctl", "-d", "relay", "status"])
        box.drop_in(RELAY, "")
        box.run(["systemctl", "restart", RELAY])

    @plan.case(f"{release}: a mistake in the file: failed at once and for good, status has file and line [OPS-1 OPS-4]")
    def _(systems):
        box = systems.box[release]
        box.run(["systemctl", "stop", RELAY])
        box.write(RELAY_CONF, BAD)
        fails(box, COMPLAINT)
        box.run(["sleep", "3"])  # RestartSec is 2
        tap.expect_equal((box.show(RELAY, "ActiveState"), box.show(RELAY, "NRestarts")), ("failed", "0"), "afterwards")

    @plan.case(f"{release}: why there is no ExecStartPre= with the check: it would be repeated for ever [OPS-4]")
    def _(systems):
        box = systems.box[release]
        box.write(RELAY_CONF, BAD)
        box.drop_in(RELAY, f"ExecStartPre=/usr/sbin/softlan-relay --check -c {RELAY_CONF}\nRestartSec=100ms\n")
        box.run(["systemctl", "reset-failed", RELAY])
        box.run(["systemctl", "start", "--no-block", RELAY])
        traffic.eventually("systemd starts it again", lambda: int(box.show(RELAY, "NRestarts")) > 0, 5)
        box.run(["systemctl", "stop", RELAY])
        box.drop_in(RELAY, "")

    @plan.case(f"{release}: a certificate that is missing: failed, status names the file [OPS-4 RELAY-14]")
    def _(systems):
        box = systems.box[release]
        box.write(RELAY_CONF, "// nothing\n")
        fails(box, "cannot read the certificate /etc/softlan/relay.crt")
        tap.expect_equal(box.show(RELAY, "ActiveState"), "failed", "state")

    @plan.case(f"{release}: a port that is taken: failed, status says so; it starts once the port is free [OPS-4]")
    def _(systems):
        box = systems.box[release]
        box.write(RELAY_CONF, GOOD)
        box.run(["systemd-run", "--quiet", "--unit", "holder", "python3", "-c", HOLDER])
        traffic.eventually("the port is taken", lambda: ":01BB" in box.run(["cat", "/proc/net/udp6"]))
        fails(box, "UDP port 443 is already in use")
        tap.expect_equal(box.show(RELAY, "ActiveState"), "failed", "state")
        box.run(["systemctl", "stop", "holder"])
        box.run(["systemctl", "start", RELAY])

    @plan.case(f"{release}: reload takes a good file over and refuses a bad one, with the line; the relay runs on [OPS-1]")
    def _(systems):
        box = systems.box[release]
        pid = start_all(box)["relay"]
        box.write(RELAY_CONF, GOOD + 'limits: { rooms = 7; };\n')
        box.run(["systemctl", "reload", RELAY])
        traffic.eventually("the new limit", lambda: "limits.rooms: 7" in box.run(["softlanctl", "-d", "relay", "status"]))
        box.write(RELAY_CONF, BAD)
        code, _ = box.result(["systemctl", "reload", RELAY])
        tap.expect(code != 0, "systemctl reload succeeds")
        traffic.eventually("the line in systemctl status", lambda: COMPLAINT in status(box), 3)
        tap.expect_equal((box.show(RELAY, "ActiveState"), box.main_pid(RELAY)), ("active", pid), "the relay")
        tap.expect("limits.rooms: 7" in box.run(["softlanctl", "-d", "relay", "status"]), "the bad file took effect")


    @plan.case(f"{release}: certbot's hook as docs/operating.md has it: a renewed pair is in force, the relay runs on "
               "[OPS-1 RELAY-14]")
    def _(systems):
        box = systems.box[release]
        pid = start_all(box)["relay"]
        box.write(HOOK, certbot_hook())
        box.run(["chmod", "755", HOOK])
        box.write(RELAY_CONF, "// certificate and key where they are by default\n")

        def deploy(domain):
            box.run(["env", f"RENEWED_DOMAINS=other.example.org {domain}",
                     f"RENEWED_LINEAGE=/etc/letsencrypt/live/{domain}", HOOK])

        def served():
            return json.loads(box.run(["softlanctl", "-d", "relay", "-j", "status"]))["certificate"]["sha256"]
        for _ in range(2):
            fingerprint = renew(box, "relay.example.org")
            deploy("relay.example.org")
            traffic.eventually("the new certificate is in force", lambda: served() == fingerprint, 5)  # pylint: disable=W0640
        certificate = box.read("/etc/softlan/relay.crt")
        renew(box, "web.example.org")
        deploy("web.example.org")
        tap.expect_equal(box.read("/etc/softlan/relay.crt"), certificate, "after a renewal of another name's")
        tap.expect_equal(box.main_pid(RELAY), pid, "the relay's process")
        tap.expect_equal(box.run(["stat", "-c", "%U:%G %a", "/etc/softlan/relay.key"]).strip(), "root:softlan-relay 640",
                         "the key")


for name in roots.RELEASES:
    cases(name)

if __name__ == "__main__":
    plan.main()
