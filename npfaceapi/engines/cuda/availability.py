"""Whether the CUDA kernels can run here, and if not, what is missing; asked without creating a context on the GPU.

Nothing is checked before the first question, which initializes NVIDIA's driver in this process.  A process forked afterwards
cannot use CUDA, and gets an error that says so.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

from npfaceapi.engines.cuda.chosen import CHOICE, INSTALL, chosen_package
from npfaceapi.errors import BackendUnavailable

__all__ = ["check_process", "is_simulated", "note_process", "status"]

FORKED = (
    "cuda: expected the process that first used the GPU, got one forked from it, which CUDA cannot serve; start it with"
    " multiprocessing's 'spawn' or 'forkserver', or choose another backend there"
)
_used_in: list[int] = []  # the process that has initialized the driver


def is_simulated() -> bool:
    """Whether numba-cuda's simulator stands in for a GPU."""
    from npfaceapi.engines.cuda.toolchain import SIMULATED

    return SIMULATED


def check_process() -> None:
    """Raise if a process from which this one was forked has initialized the driver."""
    if _used_in and _used_in[0] != os.getpid():
        raise BackendUnavailable(FORKED)


def note_process() -> None:
    """Remember that this process has initialized the driver."""
    if not _used_in:
        _used_in.append(os.getpid())


def status() -> tuple[bool, str]:
    """(whether the kernels can run here, what runs them or what is missing)."""
    try:
        package = chosen_package()
    except BackendUnavailable as error:
        return False, str(error).removeprefix("cuda: ")
    if package is None:
        wanted = os.environ.get(CHOICE)
        if wanted:
            return False, f"{wanted}, which {CHOICE} names, is not installed; {INSTALL[wanted]}"
        return False, f"numba-cuda is not installed; {INSTALL['numba-cuda']}, with [cuda13] for CUDA 13 alone"
    try:
        from npfaceapi.engines.cuda.toolchain import nvvm
    except Exception as error:  # a version that does not fit: anything that stops the import
        return False, f"importing {package} failed ({_first_line(error)}); {INSTALL[package]}"
    if is_simulated():
        return True, f"{package} {version(package)}: the CUDA simulator, without a GPU, for tests alone"
    found, what = _find_gpu()
    if not found:
        return False, what
    try:
        nvvm.NVVM()
    except Exception as error:
        return False, f"NVIDIA's compiler library nvvm is missing ({_first_line(error)}); {INSTALL[package]}"
    return True, f"{package} {version(package)} on {what}"


def _find_gpu() -> tuple[bool, str]:
    from cuda.bindings import driver

    try:
        check_process()
    except BackendUnavailable as error:
        return False, str(error)
    try:
        (code,) = driver.cuInit(0)
    except Exception:  # its loader has an error of its own
        return False, "there is no NVIDIA driver (libcuda); install one for your GPU"
    note_process()
    if code == driver.CUresult.CUDA_ERROR_NO_DEVICE:
        return False, "the NVIDIA driver sees no GPU (is CUDA_VISIBLE_DEVICES set, or the container without GPUs?)"
    if code != driver.CUresult.CUDA_SUCCESS:
        return False, f"the NVIDIA driver does not start: {code.name}"
    _, known = driver.cuDriverGetVersion()
    code, count = driver.cuDeviceGetCount()
    if code != driver.CUresult.CUDA_SUCCESS or count < 1:
        return False, "the NVIDIA driver sees no GPU"
    _, gpu = driver.cuDeviceGet(0)
    _, name = driver.cuDeviceGetName(128, gpu)
    major, minor = (_attribute(driver, gpu, f"COMPUTE_CAPABILITY_{part}") for part in ("MAJOR", "MINOR"))
    model = name.decode(errors="replace").partition("\0")[0]
    card = f"{model} (compute capability {major}.{minor}, driver for CUDA {_dotted(known)})"
    needed = _bindings_major()
    if known // 1000 < needed:
        older = f'pip install "npfaceapi[cuda{known // 1000}]"' if known // 1000 == 12 else "update the driver"
        return False, f"{card}: the driver is too old for the CUDA {needed} packages installed; {older}"
    if (major, minor) < ((7, 5) if needed >= 13 else (5, 0)):
        return False, f"{card}: the GPU is too old for CUDA {needed}" + (
            '; pip install "npfaceapi[cuda12]"' if needed > 12 else ""
        )
    return True, card


def _attribute(driver: Any, gpu: Any, name: str) -> int:
    _, value = driver.cuDeviceGetAttribute(getattr(driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}"), gpu)
    return int(value)


def _dotted(known: int) -> str:
    return f"{known // 1000}.{known % 1000 // 10}"


def _bindings_major() -> int:
    return int(version("cuda-bindings").partition(".")[0])


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
