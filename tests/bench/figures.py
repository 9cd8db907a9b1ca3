"""What tests/bench/relay, scale and link share: a relay process to be measured, the machine, tables, verdicts."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "scripts"))
from party import daemons  # noqa: E402  pylint: disable=C0413

SHOWN, FAILED, UNUSABLE, NOT_VALID = 0, 1, 2, 3


class BenchFailed(Exception):
    """A program of the bench did not do its part."""


def run_json(name, *words, timeout=120):
    """Runs one of the bench's programs and returns its JSON."""
    command = [daemons.program(name), *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                          check=False, env=daemons.environment())
    if done.returncode != 0:
        raise BenchFailed(f"{name}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Relay:
    """A relay on loopback, on a core of its own; a context manager."""

    def __init__(self, program="softlan-relay", cpu=None, **settings):
        self.program, self.cpu = program, cpu
        self.folder = tempfile.mkdtemp(prefix="softlan-bench-")
        self.address = f"127.0.0.1:{free_port()}"
        self.ca = os.path.join(self.folder, "relay.der")
        self.control = os.path.join(self.folder, "relay.sock")
        self.log = os.path.join(self.folder, "relay.log")
        self.settings = {"listen": self.address, "dev_certificate_out": self.ca, "state_directory": self.folder,
                         "control_socket": self.control, "control_group": "root", "user": "", **settings}
        self.process = None

    def __enter__(self):
        config = os.path.join(self.folder, "relay.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(daemons.config_text(self.settings))

        def pin():
            if self.cpu is not None:
                os.sched_setaffinity(0, {self.cpu})
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([daemons.program(self.program), "-c", config], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, preexec_fn=pin, env=daemons.environment())
        end = time.monotonic() + 10
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                with open(self.log, encoding="utf-8", errors="replace") as file:
                    words = file.read().strip()[-500:]
                self.__exit__()
                raise BenchFailed(f"{self.program} does not start: {words}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self):
        try:
            self.ctl("status")
        except (BenchFailed, ValueError):
            return False
        return True

    @property
    def pid(self):
        return self.process.pid

    def ctl(self, *words):
        done = subprocess.run([daemons.program("softlanctl"), "-s", self.control, "--json", *words],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        if done.returncode != 0:
            raise BenchFailed(f"softlanctl {' '.join(words)}: {done.stderr.strip()[-300:]}")
        return json.loads(done.stdout)

    def drops(self):
        """What it dropped so far, by reason."""
        return {name: count for name, count in self.ctl("stats")["counters"]["drops"].items() if count}


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        model = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.MULTILINE)
    return {"cpu": model.group(1) if model else "unknown", "cpus": os.cpu_count(), "kernel": os.uname().release,
            "load": [round(value, 2) for value in os.getloadavg()]}


def print_machine(info):
    print(f"\n{info['cpu']}, {info['cpus']} CPUs, Linux {info['kernel']}, load average at the start {info['load'][0]}"
          + (f", {info['libraries']}" if "libraries" in info else ""))


def table(columns, rows):
    """columns: (title, key, format); rows: (name, {key: value})."""
    width = max(len(name) for name, _ in rows)
    print(f"{'':{width}}  " + "  ".join(f"{title:>11}" for title, _, _ in columns))
    for name, row in rows:
        print(f"{name:{width}}  " + "  ".join(f"{form.format(row[key]):>11}" for _, key, form in columns))


def medians(runs):
    """The median of each number that all these runs have."""
    return {key: statistics.median(run[key] for run in runs) for key, value in runs[0].items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)}


class Verdicts:
    """The claims of a bench, and what has to hold for its run to count."""

    def __init__(self):
        self.must_show, self.validity = [], []

    @staticmethod
    def _judge(value, limit, least):
        return value is not None and (value >= limit if least else value <= limit)

    def show(self, name, value, limit, unit="", least=False):
        self.must_show.append({"name": name, "value": value, "limit": limit, "unit": unit, "least": least,
                               "holds": self._judge(value, limit, least)})

    def require(self, name, value, limit, unit="", least=False):
        self.validity.append({"name": name, "value": value, "limit": limit, "unit": unit, "least": least,
                              "holds": self._judge(value, limit, least)})

    def within(self, name, value, reference, factor):
        """Neither far above nor far below: this is the machine that the figures were taken on, undisturbed."""
        self.require(f"{name}: {value:.0f} against {reference}", max(value / reference, reference / value), factor, "x")

    def print(self):
        for title, claims in (("Must show", self.must_show), ("Counts only if", self.validity)):
            if not claims:
                continue
            print(f"\n{title}:")
            for one in claims:
                word = "at least" if one["least"] else "at most"
                value = "-" if one["value"] is None else f"{one['value']:.4g}"
                print(f"  {'yes' if one['holds'] else 'NO ':3} {one['name']}: {value}{one['unit']}, "
                      f"{word} {one['limit']:g}{one['unit']}")

    def exit_code(self):
        if not all(one["holds"] for one in self.validity):
            return NOT_VALID
        return SHOWN if all(one["holds"] for one in self.must_show) else FAILED

    def json(self):
        return {"must_show": self.must_show, "validity": self.validity,
                "verdict": {SHOWN: "shown", FAILED: "failed", NOT_VALID: "does not count"}[self.exit_code()]}


def finish(report, verdicts, path):
    """Prints the verdicts, writes the JSON file, returns the exit code."""
    verdicts.print()
    report.update(verdicts.json())
    print(f"\n{report['verdict']}")
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    return verdicts.exit_code()


def main(bench):
    """Runs a bench's main function, which returns the exit code."""
    try:
        sys.exit(bench())
    except (BenchFailed, FileNotFoundError) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(UNUSABLE)
