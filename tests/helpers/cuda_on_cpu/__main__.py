"""A command of npfaceapi whose networks run on the cuda backend's kernels, on this processor."""

from __future__ import annotations

import sys

from npfaceapi import use_backend
from npfaceapi.cli import main
from tests.helpers.cuda_on_cpu import cuda_on_cpu, missing

if missing():
    sys.exit(f"expected {missing()}, got none")
with cuda_on_cpu(), use_backend("cuda_on_cpu"):
    sys.exit(main())
