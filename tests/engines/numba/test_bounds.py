"""Kernels with bounds checks: none leaves its arrays in any golden case.

Numba checks array accesses, but not what the vector code reads and writes by address: test_memory.py guards that.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from helpers import ROOT

pytestmark = pytest.mark.slow

TOO_FAR = """
import numba, numpy as np
from npfaceapi.engines.numba import jit

array = np.zeros(4, np.float32)
wrappers = ("no_cpython_wrapper", "no_cfunc_wrapper")  # to be called from here
options = {name: value for name, value in jit._FLAGS.items() if name not in wrappers}
read = numba.njit(**options)(lambda index: array[index])
print(read(3))
try:
    read(4)
except IndexError:
    print("IndexError")
"""


def process(*command, **environment):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stdout.strip().splitlines(), done.stderr


def test_no_golden_case_leaves_an_array(tmp_path):
    tmp_path.chmod(0o700)
    out, err = process(
        "-m", "npfaceapi", "verify", "--backend", "numba", "--case", "raw/*", "--case", "operations/*", "--case", "prepare/*",
        NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path),
    )  # fmt: skip
    assert re.search(r"^numba: (\d+) of \1 cases passed in ", "\n".join(out), re.MULTILINE), err
    assert any(tmp_path.rglob("*")), "kernels were compiled for this test, with the checks"


def test_an_index_too_far_is_seen_with_the_options_of_kernels():
    assert process("-c", TOO_FAR, NUMBA_BOUNDSCHECK="1")[0] == ["0.0", "IndexError"]
