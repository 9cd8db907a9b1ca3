#!/usr/bin/python3 -B
"""Started by root, the daemons become their own users before they hear of the network, and can still be reloaded."""

import os
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, pairs, standard, tap, topology, traffic  # noqa: E402  pylint: disable=C0413

# Of <linux/capability.h>: what each daemon may keep.
KEPT = {"relay": 1 << 10, "gateway": 1 << 13, "client": 1 << 12}  # NET_BIND_SERVICE, NET_RAW, NET_ADMIN
FIRST_ID = 61001  # of users and groups that this machine does not have
# The leak check of the sanitizers reads its process by ptrace(2), which the change of users forbids.
ENV = {"ASAN_OPTIONS": "detect_leaks=0:exitcode=99"}


def user_id(kind):
    return FIRST_ID + 1 + list(KEPT).index(kind)


def with_users(party, some=tuple(KEPT)):
    """A function that shows the caller's mount namespace an /etc/passwd and /etc/group with these of softlan's users
    and no others."""
    folder = party.path("etc-" + "-".join(some))
    os.makedirs(folder, mode=0o755)
    lines = {"passwd": "", "group": f"softlan:x:{FIRST_ID}:\n"}
    for kind in some:
        lines["passwd"] += f"softlan-{kind}:x:{user_id(kind)}:{user_id(kind)}::/nonexistent:/usr/sbin/nologin\n"
        lines["group"] += f"softlan-{kind}:x:{user_id(kind)}:\n"
    for name, more in lines.items():
        with open(f"/etc/{name}", encoding="utf-8") as old, open(f"{folder}/{name}", "w", encoding="utf-8") as new:
            new.writelines(line for line in old if not line.startswith("softlan"))
            new.write(more)
        os.chmod(f"{folder}/{name}", 0o644)
    os.mknod(f"{folder}/tun", 0o666 | stat.S_IFCHR, os.stat("/dev/net/tun").st_rdev)
    os.chmod(f"{folder}/tun", 0o666)  # as udev makes it; in a container it may be root's alone

    def prepare():
        for file in ("/etc/passwd", "/etc/group", "/dev/net/tun"):
            subprocess.run(["mount", "--bind", f"{folder}/{os.path.basename(file)}", file], check=True)
    return prepare


def own_directory(party, kind):
    """Where the daemon's user may write."""
    path = party.path(f"{kind}-own")
    os.makedirs(path)
    os.chown(path, user_id(kind), user_id(kind))
    return path


def start():
    with standard.building() as party:
        os.chmod(party.directory, 0o755)
        prepare = with_users(party)
        for name in ("first", "second"):
            pairs.make(party, name)
        pairs.install(party, "first", user_id("relay"))
        pairs.bundle(party, ("first", "second"), "relay.pem")
        party.relayd = daemons.make_relay(party, **pairs.relay_settings(party))
        trust = {"relay_ca": party.path("relay.pem")}
        party.gateway = daemons.make_gateway(party, **trust)
        party.clients["c1"] = daemons.make_client(party, "c1", **trust)
        for daemon in party.daemons:
            own = own_directory(party, daemon.kind)
            daemon.control = daemon.settings["control_socket"] = f"{own}/control.sock"
            daemon.settings["user"] = f"softlan-{daemon.kind}"
            if daemon.kind == "client":
                daemon.settings["identity_file"] = f"{own}/identity.json"
            daemon.start(env=ENV, prepare=prepare)
        standard.give_address(party, "c1")
    return party


plan = tap.Plan(start)


def process_status(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@plan.case("each runs as its own user, with the capabilities of its work and no way to others [OPS-4]")
def users(party):
    for daemon in party.daemons:
        status = process_status(daemon)
        own = str(user_id(daemon.kind))
        for name in ("Uid", "Gid"):
            tap.expect_equal(set(status[name].split()), {own}, f"{name} of {daemon.name}")
        tap.expect_equal(status["Groups"].split(), [str(FIRST_ID)], f"groups of {daemon.name}")
        for name in ("CapPrm", "CapEff", "CapBnd"):
            tap.expect_equal(int(status[name], 16), KEPT[daemon.kind], f"{name} of {daemon.name}")
        for name in ("CapInh", "CapAmb"):
            tap.expect_equal(int(status[name], 16), 0, f"{name} of {daemon.name}")
        tap.expect_equal(status["NoNewPrivs"].strip(), "1", f"NoNewPrivs of {daemon.name}")
        tap.expect(f"running as user softlan-{daemon.kind}" in daemon.log(), f"{daemon.name} does not say so")


@plan.case("the control socket is of the group softlan, mode 0660 [OPS-3]")
def control_socket(party):
    for daemon in party.daemons:
        status = os.stat(daemon.control)
        tap.expect_equal((status.st_gid, status.st_mode & 0o777), (FIRST_ID, 0o660), f"socket of {daemon.name}")


@plan.case("the party works: frames cross, and SCHED_RR is kept [OPS-4 GW-2]")
def works(party):
    traffic.ping(party.c1, topology.LAN_HOST)
    traffic.ping(party.lan, party.address["c1"])
    for daemon in party.daemons:
        traffic.eventually(f"SCHED_RR at {daemon.name}", lambda d=daemon: os.sched_getscheduler(
            d.process.pid) == os.SCHED_RR, 5)  # one that has just been busy gets it back a second later


def served(party):
    """The fingerprint of the certificate in force."""
    return party.relayd.status()["certificate"]["sha256"]


@plan.case("a renewed certificate is taken at a reload, without its user seeing root's files [OPS-4 RELAY-14]")
def renewal(party):
    before = served(party)
    pairs.install(party, "second", user_id("relay"))
    answer = party.relayd.ctl("reload")
    tap.expect_equal(answer, {"reloaded": True, "restart_needed": []}, "answer to reload")
    tap.expect(served(party) != before, "the certificate has not changed")
    traffic.ping(party.c1, topology.LAN_HOST)  # nobody was thrown out
    client = daemons.make_client(party, "c2", relay_ca=party.path("second.crt"))
    client.start()
    tap.expect(client.connected(), "a newcomer that trusts the new certificate alone can't join")
    client.stop()


@plan.case("a key that only root can read is refused at a reload, with the remedy, and all stays [OPS-1]")
def unreadable(party):
    before = served(party)
    os.chown(party.path("relay.key"), 0, 0)
    os.chmod(party.path("relay.key"), 0o600)
    try:
        party.relayd.ctl("reload")
    except daemons.DaemonFailed as error:
        tap.expect("relay.key" in str(error) and "chgrp" in str(error), f"the sentence: {error}")
    else:
        raise AssertionError("the reload was not refused")
    tap.expect_equal(served(party), before, "the certificate")
    pairs.install(party, "second", user_id("relay"))
    party.relayd.ctl("reload")


@plan.case("without its user a daemon says that it stays root, and serves; another user has to be there [OPS-4]")
def no_user(party):
    prepare = with_users(party, ())
    client = daemons.make_client(party, "c2", "nobody", relay_ca=party.path("relay.pem"), user="softlan-client")
    client.start(prepare=prepare)
    tap.expect("running as root: there is no user softlan-client" in client.log(), f"log: {client.tail()}")
    tap.expect_equal(set(process_status(client)["Uid"].split()), {"0"}, "its user")
    client.stop()
    client.settings["user"] = ""  # meant: nothing to say
    client.start(prepare=prepare)
    tap.expect_equal(client.log().count("running as root"), 1, "warnings")
    client.stop()
    client.settings["user"] = "softlan-clinet"
    client.start(wait=False, prepare=prepare)
    tap.expect_equal(client.process.wait(5), 2, "exit code")
    tap.expect("there is no user softlan-clinet" in client.log(), f"log: {client.tail()}")
    client.process = None


if __name__ == "__main__":
    plan.main()
