"""Debian's Python modules, whatever other Python `configure` found."""

import importlib.util
import os
import sys

PYTHON = "/usr/bin/python3"


def need(module, package):
    """Returns when the module is there. Else the program starts anew with Debian's Python, which has it once
    scripts/install-deps has been run."""
    if importlib.util.find_spec(module):
        return
    if os.path.realpath(sys.executable) != os.path.realpath(PYTHON) and os.access(PYTHON, os.X_OK):
        os.execv(PYTHON, [PYTHON, "-B", *sys.argv])
    print(f"Bail out! {os.path.basename(sys.argv[0])} needs Python's {module}: install {package} "
          "(./scripts/install-deps does)", flush=True)
    sys.exit(1)
