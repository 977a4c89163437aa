"""Work as another user, which only root can start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from helpers import ROOT

OTHER = 65534  # nobody

#: Permanently drops a script's root rights.  Import everything before: the interpreter may be in root's home.
BECOME = """
import os, sys

def become(user):
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
"""

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be two users; run the tests as root to try it"
)


def run_script(source, *arguments, timeout=300, **environment):
    """The output of a new interpreter that calls `become(user)`; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-c", BECOME + source, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
