#!/usr/bin/python3 -B
"""Debian packages from build to purge, in booted systems: what an operator does with apt, an editor and systemctl."""

import os
import shutil

import container
import roots
from container import traffic
from party import tap

DAEMONS = ("relay", "gateway", "client")
RELAY_CONF = ('dev_certificate_out = "/var/lib/softlan/relay/relay-ca.der";\n'
              'rooms = ( { code = "ROOM1"; secret = "only for friends"; } );\n')


def fill(systems):
    systems.box = {release: systems.boot(release, "box") for release in roots.RELEASES}


plan = container.plan(fill)


def owner_and_mode(box, path):
    return box.run(["stat", "-c", "%U:%G %a", path]).strip()


def versions(box):
    return {line.split()[0]: line.split()[1] for line in box.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n", "softlan-*"]).splitlines()
        if line.split()[2] == "ii"}


def cases(release):  # pylint: disable=R0915
    """The cases of one release; they follow one system from the first installation to its end."""

    @plan.case(f"{release}: lintian finds no error in the packages [OPS-4]")
    def _(systems):
        box = systems.box[release]
        shutil.copytree(roots.packages(release), box.path("/var/tmp/lint"))
        files = sorted(os.listdir(box.path("/var/tmp/lint")))
        tap.expect_equal([name.split("_")[0] for name in files], sorted(roots.PACKAGES), "packages")
        output = box.run(["lintian", "--allow-root", "--fail-on", "error", *(f"/var/tmp/lint/{name}" for name in files)])
        for line in output.splitlines():
            print(f"# {line}")

    @plan.case(f"{release}: apt installs them; the services are enabled and not started [OPS-4]")
    def _(systems):
        box = systems.box[release]
        box.install(roots.packages(release, roots.OLD), *roots.PACKAGES)
        tap.expect_equal(versions(box), dict.fromkeys(roots.PACKAGES, roots.OLD), "versions")
        for daemon in DAEMONS:
            unit = f"softlan-{daemon}"
            tap.expect_equal(box.show(unit, "UnitFileState"), "enabled", f"{unit} at the next start")
            tap.expect_equal(box.show(unit, "ActiveState"), "inactive", f"{unit} now")
            tap.expect_equal(owner_and_mode(box, f"/etc/softlan/{daemon}.conf"), f"root:{unit} 640", f"{daemon}.conf")
            tap.expect_equal(box.run(["id", "-nG", unit]).split(), [unit], f"groups of {unit}")
        tap.expect(box.run(["getent", "group", "softlan"]), "there is no group softlan")

    @plan.case(f"{release}: edit relay.conf, systemctl start: active once the relay has said READY [OPS-2 OPS-4]")
    def _(systems):
        box = systems.box[release]
        box.write("/etc/softlan/relay.conf", RELAY_CONF)
        box.run(["softlan-relay", "--check"])
        box.run(["systemctl", "start", "softlan-relay"])
        tap.expect_equal(box.show("softlan-relay", "ActiveState"), "active", "state")
        tap.expect("443" in box.show("softlan-relay", "StatusText"), "STATUS= does not name the port")
        lines = box.run(["journalctl", "-u", "softlan-relay", "-o", "cat", "--no-pager"]).splitlines()
        serving = [i for i, line in enumerate(lines) if "serving" in line]
        started = [i for i, line in enumerate(lines) if line.startswith("Started ")]
        tap.expect(serving and started and serving[0] < started[0], f"started before it served: {lines}")

    @plan.case(f"{release}: a gateway without a relay is starting, for as long as it takes [OPS-2]")
    def _(systems):
        box = systems.box[release]
        box.run(["ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1"])
        box.run(["ip", "link", "set", "lan0", "up"])
        box.run(["ip", "link", "set", "lan1", "up"])
        before = box.read("/etc/softlan/gateway.conf")
        box.write("/etc/softlan/gateway.conf",
                  'relay = "127.0.0.1:9"; relay_ca = ""; room = "ROOM1"; interface = "lan0";\n')
        box.run(["systemctl", "start", "--no-block", "softlan-gateway"])
        traffic.eventually("the gateway tells systemd that it tries",
                           lambda: box.show("softlan-gateway", "StatusText"), 5)
        tap.expect_equal(box.show("softlan-gateway", "ActiveState"), "activating", "state")
        tap.expect_equal(box.show("softlan-gateway", "TimeoutStartUSec"), "infinity", "limit")
        box.run(["systemctl", "stop", "softlan-gateway"])
        box.write("/etc/softlan/gateway.conf", before)

    @plan.case(f"{release}: softlanctl is for root and the group softlan, others are told so [OPS-3]")
    def _(systems):
        box = systems.box[release]
        box.run(["useradd", "--groups", "softlan", "member"])
        box.run(["useradd", "stranger"])
        for user in (None, "member"):
            code, output = box.result(["softlanctl", "-d", "relay", "status"], user)
            tap.expect(code == 0 and "Serving on" in output, f"{user or 'root'}: exit {code}: {output}")
            code, output = box.result(["softlanctl", "rooms"], user)
            tap.expect(code == 0 and output.startswith("CODE"), f"{user or 'root'}: exit {code}: {output}")
        code, output = box.result(["softlanctl", "rooms"], "stranger")
        tap.expect(code != 0, "a stranger may use the control socket")
        tap.expect_equal(len(output.splitlines()), 1, "lines that the stranger reads")
        tap.expect("Permission denied" in output and "group softlan" in output, output)
        tap.expect(box.result(["cat", "/etc/softlan/relay.conf"], "stranger")[0] != 0, "a stranger reads the secrets")
        tap.expect(box.result(["cat", "/etc/softlan/relay.conf"], "member")[0] != 0, "a member reads the secrets")

    @plan.case(f"{release}: an upgrade keeps edited files and restarts what runs, and nothing else [OPS-4]")
    def _(systems):
        box = systems.box[release]
        before = box.main_pid("softlan-relay")
        box.run(["chmod", "600", "/etc/softlan/gateway.conf"])
        box.write("/etc/tmpfiles.d/softlan-gateway.conf", "# as the administrator wants it\n")
        tap.expect("as it was before" in box.read("/etc/softlan/client.conf"), "the earlier client.conf")
        # Both the old file and the administrator's differ from the new one; dpkg asks, and apt answers as he would.
        box.install(roots.packages(release), *roots.PACKAGES, options=["-o", "Dpkg::Options::=--force-confold"])
        tap.expect("as it was before" not in box.read("/etc/softlan/client.conf"), "an untouched file was not replaced")
        tap.expect_equal(owner_and_mode(box, "/etc/softlan/client.conf"), "root:softlan-client 640", "client.conf")
        tap.expect(box.exists("/etc/softlan/relay.conf.dpkg-dist"), "the new relay.conf is not there to be compared")
        tap.expect(set(versions(box)) == set(roots.PACKAGES) and roots.OLD not in versions(box).values(),
                   f"versions: {versions(box)}")
        tap.expect_equal(box.read("/etc/softlan/relay.conf"), RELAY_CONF, "relay.conf")
        tap.expect_equal(owner_and_mode(box, "/etc/softlan/relay.conf"), "root:softlan-relay 640", "relay.conf")
        tap.expect_equal(owner_and_mode(box, "/etc/softlan/gateway.conf"), "root:softlan-gateway 600", "gateway.conf")
        after = box.main_pid("softlan-relay")
        tap.expect(after and after != before, "the relay was not restarted")
        tap.expect_equal(box.show("softlan-relay", "ActiveState"), "active", "the relay")
        tap.expect_equal(box.show("softlan-gateway", "ActiveState"), "inactive", "the gateway")

    @plan.case(f"{release}: remove stops the daemons, keeps configuration and state [OPS-4]")
    def _(systems):
        box = systems.box[release]
        instance = "softlan-gateway@two"
        box.write("/etc/softlan/gateway-two.conf",
                  'relay = "127.0.0.1:9"; relay_ca = ""; room = "ROOM1"; interface = "lan0";\n')
        box.run(["systemctl", "start", "--no-block", instance])
        traffic.eventually("the second gateway runs", lambda: box.main_pid(instance), 5)
        pids = [box.main_pid("softlan-relay"), box.main_pid(instance)]
        box.run(["apt-get", "-q", "-y", "remove", *roots.PACKAGES])
        for pid in pids:
            tap.expect(not box.exists(f"/proc/{pid}"), f"process {pid} still runs")
        tap.expect_equal(box.read("/etc/softlan/relay.conf"), RELAY_CONF, "relay.conf")
        tap.expect(box.exists("/var/lib/softlan/relay/relay-ca.der"), "the state is gone")
        tap.expect(not box.exists("/usr/sbin/softlan-relay"), "the program is still there")

    @plan.case(f"{release}: purge takes configuration and state away, and no file of somebody else [OPS-4]")
    def _(systems):
        box = systems.box[release]
        box.write("/var/lib/softlan/client-two/identity.json", "{}\n")
        box.run(["apt-get", "-q", "-y", "purge", *roots.PACKAGES])
        tap.expect(not box.exists("/var/lib/softlan"), "the state is still there")
        tap.expect_equal(box.run(["ls", "/etc/softlan"]).split(), ["gateway-two.conf"], "/etc/softlan")
        left = box.run(["sh", "-c", "find /etc/systemd /usr/lib/systemd /var/lib/systemd /lib/systemd -name '*softlan*'"])
        tap.expect(not left.strip(), f"units are left: {left}")


for name in roots.RELEASES:
    cases(name)

if __name__ == "__main__":
    plan.main()
