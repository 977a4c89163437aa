"""Which machine and which versions gave the figures."""

from __future__ import annotations

import platform
from importlib import metadata

from npfaceapi._version import __version__
from npfaceapi.engines.thread_count import get_num_threads

__all__ = ["machine_lines"]

PACKAGES = ("numpy", "numba", "llvmlite", "scipy", "onnxruntime", "openvino", "torch", "numba-cuda")


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line.partition(":")[2].strip() for line in file if line.startswith(("model name", "flags"))]
    except OSError:
        return platform.processor() or platform.machine()
    vectors = [name for name in ("avx512f", "avx2", "sse2") if any(name in line.split() for line in lines[1:2])]
    return f"{lines[0]}{f' ({vectors[0]})' if vectors else ''}" if lines else platform.machine()


def _version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"no {package}"


def machine_lines() -> list[str]:
    """CPU, system and versions, one a line."""
    return [
        f"{_cpu()}, {get_num_threads()} CPUs usable",
        f"{platform.system()} {platform.machine()}, {platform.python_implementation()} {platform.python_version()}",
        f"npfaceapi {__version__}, {', '.join(map(_version, PACKAGES))}",
    ]
