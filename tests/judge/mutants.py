"""Bugs to plant into copies of the filter, one after another, and how to build each copy: the corpus must notice
every one."""

import collections
import os
import shlex
import shutil
import subprocess

# `old` stands exactly once in `file` (a path below src/) and becomes `new`.
Mutant = collections.namedtuple("Mutant", "row name file old new")

SOURCES = ("src/proto/filter.c", "src/proto/eth.c", "src/common/counters.c", "src/common/mac.c")
HARNESS = "tests/judge/verdicts.c"
MUTANTS = ()


class Stale(Exception):
    """A mutant does not fit the source any more, or cannot be built."""


def build(source, folder, name, mutant=None):
    """Compiles the filter, with the mutant's bug if there is one, and returns the program's path."""
    place = os.path.join(folder, name)
    files = []
    for path in SOURCES:
        copy = os.path.join(place, path)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copyfile(os.path.join(source, path), copy)
        files.append(copy)
    if mutant:
        plant(os.path.join(place, mutant.file), mutant)
    program = os.path.join(place, "verdicts")
    compiler = shlex.split(os.environ.get("CC") or "cc")
    done = subprocess.run([*compiler, "-std=gnu11", "-O1", "-w", "-D_GNU_SOURCE", "-I", os.path.join(source, "src"), "-o", program,
                           *files, os.path.join(source, HARNESS)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    if done.returncode:
        raise Stale(f"{name} was not built:\n{done.stdout.decode(errors='replace')}")
    return program


def plant(path, mutant):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(mutant.old) != 1:
        raise Stale(f"stale mutant: {text.count(mutant.old)} times in {mutant.file}: {mutant.old!r}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(mutant.old, mutant.new))
