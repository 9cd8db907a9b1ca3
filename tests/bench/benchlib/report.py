"""The results for people (a table, options, what passed) and for programs (JSON)."""

import json
import os
import statistics

ROWS = (
    ("tcp_{}_mbit", "TCP {}, Mbit/s", "{:.0f}"),
    ("relay_{}_s_per_gb", "relay CPU per GB, TCP {}, s", "{:.2f}"),
    ("udp_{}_fps", "200-byte UDP {}, frames/s", "{:.0f}"),
    ("idle_p50_us", "idle ping p50, us", "{:.0f}"),
    ("idle_p99_us", "idle ping p99, us", "{:.0f}"),
    ("full_{}_p50_us", "ping beside a stream {}: p50, us", "{:.0f}"),
    ("full_{}_p99_us", "ping beside a stream {}: p99, us", "{:.0f}"),
    ("full_{}_lost", "ping beside a stream {}: lost", "{:g}"),
    ("paced_{}_p99_us", "ping, stream {} at 80 %: p99, us", "{:.0f}"),
    ("paced_{}_lost", "ping, stream {} at 80 %: lost", "{:g}"),
    ("paced_{}_stream_mbit", "stream {} at 80 %: Mbit/s with headers", "{:.0f}"),
    ("busy_percent", "machine busy just before, %", "{:.0f}"),
)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = {line.split(":")[1].strip() for line in file if line.startswith("model name")}
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as file:
        congestion = file.read().strip()
    return {"tcp": congestion, "cpus": os.cpu_count(), "model": ", ".join(sorted(models)), "kernel": os.uname().release,
            "load": os.getloadavg()[0]}


def median(runs):
    """Of every figure that at least one of the runs has."""
    keys = {key: None for run in runs for key, value in run.items() if isinstance(value, (int, float))}
    return {key: statistics.median(run[key] for run in runs if key in run) for key in keys}


def table(medians, out):
    if not medians:
        return
    print(f"{'':40}" + "".join(f"{name:>20}" for name in medians), file=out)
    for key, title, form in ROWS:
        for way in ("up", "down") if "{}" in key else ("",):
            figures = [figures.get(key.format(way)) for figures in medians.values()]
            if any(figure is not None for figure in figures):
                print(f"{title.format(way):40}" + "".join(
                    f"{'-' if figure is None else form.format(figure):>20}" for figure in figures), file=out)


def options(used, out):
    """How each system was set up."""
    for name, one in used.items():
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in one.items()), file=out)


def lines(title, found, out):
    """Prints verdict lines; did all pass?"""
    print(f"\n{title}", file=out)
    for line in found:
        print(f"  {line}", file=out)
    return all(line.passed for line in found)


def write(path, results):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
