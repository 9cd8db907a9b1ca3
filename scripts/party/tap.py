"""TAP output (Test Anything Protocol) for the test programs, so that `make check` counts each case."""

import os
import signal
import sys
import time
import traceback

from . import daemons, ns


class Skip(Exception):
    """Raised by a case that can't run here."""


class CaseTimeout(Exception):
    """A case took longer than its limit."""


class Plan:
    """The cases of one test program; they share what `setup` returns (a party), within `limit` seconds. The last case
    is `ending`, a name and a function. `unusable` says why nothing can run here."""

    def __init__(self, setup, ending=None, unusable=ns.unusable, limit=120):
        self.setup, self.limit = setup, limit
        self.ending = ending or ("all daemons end in order, no sanitizer report [OPS-2]", end_all)
        self.unusable = unusable
        self.cases = []

    def case(self, name, limit=90):
        """Decorator: a case with its name (which ends in the ids it proves) and its time limit."""
        def add(function):
            self.cases.append((name, function, limit))
            return function
        return add

    def main(self):
        """Runs all cases and exits: 0 when all passed."""
        if reason := self.unusable():
            print(f"1..0 # SKIP {reason}")
            sys.exit(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupted)
        signal.signal(signal.SIGALRM, _timed_out)
        chosen = sys.argv[1:]
        cases = [case for case in self.cases if not chosen or any(word in case[0] for word in chosen)]
        print(f"1..{len(cases) + 1}", flush=True)
        party = None
        failed = 0
        try:
            signal.alarm(self.limit)
            party = self.setup()
            signal.alarm(0)
            for number, (name, function, limit) in enumerate(cases, 1):
                failed += not _run_case(number, name, lambda: _checked(function, party), limit, party)
            name, function = self.ending
            failed += not _run_case(len(cases) + 1, name, lambda: function(party), 60, party)
        except Exception:
            _diagnose(traceback.format_exc(), party)
            print("Bail out! the party could not be set up")
            failed += 1
        finally:
            signal.alarm(0)
            if party:
                party.close()
        sys.exit(1 if failed else 0)


def end_all(party):
    """Ends every daemon that still runs: clients first, the relay last. Exit codes and reports count."""
    order = {"client": 0, "gateway": 1, "relay": 2}
    problems = []
    for daemon in sorted(party.daemons, key=lambda one: order[one.kind]):
        try:
            if daemon.alive():
                daemon.stop()
            daemon.check_reports()
        except daemons.DaemonFailed as error:
            problems.append(str(error))
    if problems:
        raise AssertionError("\n".join(problems))


def _checked(function, party):
    function(party)
    # A daemon that died in a case fails that case, whatever the case looked at.
    for daemon in party.daemons:
        if daemon.process is not None:
            daemon.check()


def _run_case(number, name, call, limit, party):
    start = time.monotonic()
    signal.alarm(limit)
    try:
        call()
    except Skip as reason:
        print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        return True
    except Exception as error:
        signal.alarm(0)
        print(f"not ok {number} - {name}", flush=True)
        _diagnose(f"{type(error).__name__}: {error}\n{_place(error)}", party)
        return False
    finally:
        signal.alarm(0)
    print(f"ok {number} - {name}", flush=True)
    print(f"# {time.monotonic() - start:.2f} s", flush=True)
    return True


def _place(error):
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"  {os.path.basename(frame.filename)}:{frame.lineno} {frame.line}" for frame in frames[-4:])


def _diagnose(text, party):
    for line in text.rstrip().splitlines():
        print(f"# {line}")
    for daemon in party.daemons if party else []:
        # What it has said since the last time somebody asked.
        lines = daemon.log().splitlines()
        for line in lines[max(daemon.shown, len(lines) - 12):]:
            print(f"# {daemon.name}| {line}")
        daemon.shown = len(lines)
    sys.stdout.flush()


def _interrupted(number, _):
    signal.signal(number, signal.SIG_IGN)
    print(f"Bail out! interrupted by {signal.Signals(number).name}", flush=True)
    sys.exit(130)


def _timed_out(*_):
    raise CaseTimeout("the case took too long")


def expect(truth, text):
    """An assertion that says what it saw."""
    if not truth:
        raise AssertionError(text)


def expect_equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r} instead of {wanted!r}")
