"""What the judges of a party dropped: the filters and limits of relay, gateway and clients."""

import contextlib
import time

from . import tap

SETTLE = 0.3  # seconds until the last frame of an exchange has passed every judge
PORT_COUNTERS = ("rx_kernel_drops", "tx_drops")


def snapshot(party):
    """{"NAME REASON": count} of every daemon that runs; at the relay also for each peer, "relay/3 REASON". What
    endpoints reported to the relay is left out: it is their own count, and late."""
    found = {}
    for daemon in party.daemons:
        if not daemon.alive():
            continue
        stats = daemon.ctl("stats")
        counts = {daemon.name: stats["counters"]["drops"]}
        counts[f"{daemon.name} port"] = {name: stats.get("port", {}).get(name, 0) for name in PORT_COUNTERS}
        if daemon.kind == "relay":
            counts.update({f"{daemon.name}/{peer['id']}": peer["drops"] for peer in daemon.peers()})
        for name, reasons in counts.items():
            tap.expect(isinstance(reasons, dict), f"{name}: drops are {reasons!r}")
            found.update({f"{name} {reason}": count for reason, count in reasons.items()})
    return found


def rise(before, after):
    """The counters that rose, and by how much."""
    return {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}


@contextlib.contextmanager
def only(party, expected=None):
    """The body's traffic must raise these drop counters, by so much, and no other: by default none at all."""
    time.sleep(SETTLE)  # what came before is not the body's
    before = snapshot(party)
    tap.expect(any(name.endswith(" forged_source") for name in before), f"no counters to look at: {sorted(before)}")
    yield
    time.sleep(SETTLE)
    tap.expect_equal(rise(before, snapshot(party)), expected or {}, "frames dropped")
