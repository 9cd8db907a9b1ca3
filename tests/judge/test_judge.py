#!/usr/bin/python3 -B
"""Two judges, one rule book (docs/filter.md): the filter and tests/judge/judge.py decide over the same corpus and
disagree on no frame; and each bug that is planted into a copy of the filter is noticed. With arguments: seeds of
other corpora to compare on, instead of the tests."""

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import corpus  # noqa: E402  pylint: disable=C0413
import judge  # noqa: E402  pylint: disable=C0413
import mutants  # noqa: E402  pylint: disable=C0413

SOURCE = os.environ.get("SOFTLAN_SOURCE", os.path.join(HERE, "..", ".."))
BUILD = os.environ.get("SOFTLAN_BUILD", SOURCE)
SHOWN = 10  # frames of a failure that are printed
# What each FILTER row's frames are dropped for.
ROW_REASONS = {"FILTER-1": {"invalid_source"}, "FILTER-2": {"forged_source"}, "FILTER-3": {"switch_control"},
               "FILTER-4": {"vlan_tag"},
               "FILTER-5": {"dhcp_server", "router_advertisement", "redirect", "multicast_query"},
               "FILTER-6": {"dhcpv6_server", "router_advertisement", "redirect", "multicast_query"},
               "FILTER-7": {"ipv6_fragment", "header_chain"}, "FILTER-8": {"jumbo", "over_mtu"},
               "FILTER-9": {"runt", "malformed"}}


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


def filter_verdicts(program, data, count, relaxed=()):
    """What the program, the filter or a mutant of it, says of each record; some rules may be switched off."""
    done = subprocess.run([program, *relaxed], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                          check=False)
    verdicts = done.stdout.decode().split()
    if done.returncode or len(verdicts) != count:
        raise Failed(f"{program} ended with {done.returncode} after {len(verdicts)} of {count} frames\n"
                     + done.stderr.decode(errors="replace"))
    return verdicts


def opposed(cases):
    """The cases in which one lets pass what the other drops."""
    return [case for case in cases if bool(case[1]) != (case[2] != "none")]


def other_reason(cases):
    """The cases in which both drop, for another reason. The first in the rule book's order is the frame's; but an
    LLC header that is cut off is `malformed` without a place in that order: the next one is as good."""
    wrong = []
    for record, reasons, verdict in cases:
        fixed = reasons[:2] if reasons[:1] == ["malformed"] else reasons[:1]
        if reasons and verdict != "none" and verdict not in fixed:
            wrong.append((record, reasons, verdict))
    return wrong


def describe(record, reasons, verdict):
    announced = record.announced.hex(":") if record.announced else "none"
    return (f"{'LAN' if record.direction == judge.LAN else 'remote'} mtu={record.mtu} announced={announced} "
            f"length={len(record.frame)} {'/'.join(sorted(record.labels))}\n"
            f"    the judge: {', '.join(reasons) or 'pass'}; the filter: {verdict}\n    {record.frame.hex()}")


def listing(kind, cases):
    return f"{len(cases)} {kind}\n" + "\n".join(describe(*case) for case in cases[:SHOWN])


class Trial:
    """A corpus with both judges' verdicts."""

    def __init__(self, records):
        self.records = records
        self.data = corpus.packed(records)
        started = time.monotonic()
        self.reasons = self.judge()
        self.seconds = time.monotonic() - started
        self.verdicts = self.filter()

    def judge(self, relaxed=frozenset()):
        return [judge.reasons(record.frame, record.direction, record.mtu, record.announced, relaxed)
                for record in self.records]

    def filter(self, relaxed=()):
        return filter_verdicts(os.path.join(BUILD, "tests/judge/verdicts"), self.data, len(self.records), relaxed)

    def cases(self):
        return list(zip(self.records, self.reasons, self.verdicts))

    def check_agreement(self):
        wrong = opposed(self.cases())
        expect(not wrong, listing("frames on which judge and filter disagree", wrong))

    def check_reasons(self):
        wrong = other_reason(self.cases())
        expect(not wrong, listing("frames with another reason", wrong))

    def check_policy(self):
        """With each rule switched off, and with all: only its own frames pass, unless another rule has them too."""
        strict, lenient = self.reasons, self.judge(frozenset(("ipv6_fragment",)))
        for relaxed in (*((rule,) for rule in judge.RULES), judge.RULES):
            found = lenient if "ipv6_fragment" in relaxed else strict
            reasons = [[reason for reason in one if reason not in relaxed] for one in found]
            cases = list(zip(self.records, reasons, self.filter(relaxed)))
            wrong = opposed(cases) or other_reason(cases)
            expect(not wrong, f"without {' '.join(relaxed)}: " + listing("frames judged otherwise", wrong))
            expect(reasons != strict, f"without {' '.join(relaxed)}: nothing else passes")

    def check_scapy(self):
        """Scapy, left alone with the whole frame, finds nothing forbidden in what the filter let pass from a
        remote; and it does find much of it in what the filter dropped."""
        wrong, found = [], 0
        for record, reasons, verdict in self.cases():
            if record.direction != judge.REMOTE or len(record.frame) < 14:
                continue
            if verdict == "none":
                if what := judge.scapy_finds(record.frame):
                    wrong.append((record, [f"scapy says {what}"], verdict))
            elif found < 1000 and judge.scapy_finds(record.frame):
                found += 1
        expect(not wrong, listing("frames passed with what scapy reads as forbidden", wrong))
        expect(found >= 1000, f"scapy recognised only {found} forbidden frames: is it blind?")

    def check_quotas(self):
        count = len(self.records)
        expect(count >= 20000, f"only {count} frames")
        for row, wanted in ROW_REASONS.items():
            good = sum(1 for record, reasons, _ in self.cases()
                       if row in record.labels and wanted.intersection(reasons))
            expect(good >= 500, f"{row}: only {good} frames that it forbids")
        for evasion in corpus.EVASIONS:
            good = sum(1 for record in self.records if evasion in record.labels)
            expect(good >= 500, f"evasion {evasion}: only {good} frames")
        valid = [case for case in self.cases() if "valid" in case[0].labels]
        refused = [case for case in valid if case[1]]
        expect(not refused, listing("honest frames that the judge drops", refused))
        expect(len(valid) >= 0.4 * count, f"only {len(valid)} of {count} frames are honest")
        kinds = {label for record, _, _ in valid for label in record.labels}
        kinds -= {"valid"}
        expect(len(kinds) >= 20, f"only {len(kinds)} protocols")
        print(f"# {count} frames, {len(valid)} honest of {len(kinds)} protocols, judged in {self.seconds:.1f} s")


def same_seed():
    expect(corpus.packed(corpus.generate(7)) == corpus.packed(corpus.generate(7)), "one seed, two corpora")
    expect(corpus.packed(corpus.generate(7)) != corpus.packed(corpus.generate(8)), "two seeds, one corpus")


def run(number, name, function):
    try:
        function()
    except (Failed, mutants.Stale) as failure:
        print("".join(f"# {line}\n" for line in str(failure).splitlines()), end="")
        print(f"not ok {number} - {name}", flush=True)
        return 1
    print(f"ok {number} - {name}", flush=True)
    return 0


def check_mutant(trial, outcome):
    """The mutant was built and at least one of its verdicts is not the judge's."""
    program = outcome.result()
    verdicts = filter_verdicts(program, trial.data, len(trial.records))
    wrong = opposed(zip(trial.records, trial.reasons, verdicts))
    expect(wrong, "nobody noticed")
    print(f"# noticed on {len(wrong)} frames, first:\n# " + describe(*wrong[0]).replace("\n", "\n# ")[:400])


def main():
    trial = Trial(corpus.generate())
    noise = Trial(corpus.noise())
    planted = mutants.MUTANTS
    cases = [("same seed, same corpus", same_seed),
             ("the corpus: 20,000 frames, 500 for each row and evasion, 40 % honest of twenty protocols",
              trial.check_quotas),
             ("filter and judge disagree on no frame [FILTER-1 FILTER-2 FILTER-3 FILTER-4 FILTER-5 FILTER-6 FILTER-7 "
              "FILTER-8 FILTER-9]", trial.check_agreement),
             ("nor do they on noise and deep mutations [FILTER-9]", noise.check_agreement),
             ("their reasons are the same, by the rule book's order", trial.check_reasons),
             ("on noise and deep mutations too", noise.check_reasons),
             ("nor do they when rules are switched off, one by one and all", trial.check_policy),
             ("scapy by itself finds nothing forbidden in what passed", trial.check_scapy)]
    print(f"1..{len(cases) + len(planted) + 1}", flush=True)
    failed = sum(run(number, *case) for number, case in enumerate(cases, 1))

    with tempfile.TemporaryDirectory(prefix="softlan-mutants.") as folder, \
            concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        def whole():
            verdicts = filter_verdicts(mutants.build(SOURCE, folder, "whole"), trial.data, len(trial.records))
            expect(verdicts == trial.verdicts, "the filter built for this check judges otherwise than the library's")

        failed += run(len(cases) + 1, "the filter without a bug, built as the mutants are", whole)
        outcomes = [pool.submit(mutants.build, SOURCE, folder, f"m{number}", mutant)
                    for number, mutant in enumerate(planted)]
        for number, (mutant, outcome) in enumerate(zip(planted, outcomes), len(cases) + 2):
            failed += run(number, f"a planted bug is noticed: {mutant.name} [{mutant.row}]",
                          lambda: check_mutant(trial, outcome))
    sys.exit(1 if failed else 0)


def other_seeds(seeds):
    failed = 0
    print(f"1..{2 * len(seeds)}", flush=True)
    for number, seed in zip(range(1, 2 * len(seeds), 2), seeds):
        trial = Trial(corpus.generate(int(seed)) + corpus.noise(int(seed)))
        failed += run(number, f"seed {seed}: {len(trial.records)} frames", trial.check_agreement)
        failed += run(number + 1, f"seed {seed}: reasons", trial.check_reasons)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    if sys.argv[1:]:
        other_seeds(sys.argv[1:])
    main()
