"""The cuda backend's report on a machine, with fakes of NVIDIA's driver."""

from __future__ import annotations

import importlib.util
import os
import re
import types
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
driver = pytest.importorskip("cuda.bindings.driver")

from npfaceapi.engines.cuda import availability  # noqa: E402
from npfaceapi.errors import BackendUnavailable  # noqa: E402

CODES = driver.CUresult


class Driver:
    """A driver for one GPU, or none; `cuInit` returns the given status."""

    CUresult = CODES
    CUdevice_attribute = driver.CUdevice_attribute

    def __init__(self, code=CODES.CUDA_SUCCESS, version=13000, count=1, capability=(9, 0)):
        self.code, self.version, self.count, self.capability = code, version, count, capability

    def cuInit(self, flags):
        if self.code is None:
            raise RuntimeError("libcuda.so.1 cannot be found")
        return (self.code,)

    def cuDriverGetVersion(self):
        return CODES.CUDA_SUCCESS, self.version

    def cuDeviceGetCount(self):
        return CODES.CUDA_SUCCESS, self.count

    def cuDeviceGet(self, number):
        return CODES.CUDA_SUCCESS, number

    def cuDeviceGetName(self, length, gpu):
        return CODES.CUDA_SUCCESS, b"NVIDIA H200\0\0   "  # as cuda-bindings gives it

    def cuDeviceGetAttribute(self, attribute, gpu):
        return CODES.CUDA_SUCCESS, self.capability[int("MINOR" in attribute.name)]


@pytest.fixture
def status(monkeypatch):
    def status(driver, bindings=13, nvvm=None):
        import cuda.bindings

        from npfaceapi.engines.cuda.toolchain import nvvm as library

        monkeypatch.setattr(availability, "_used_in", [])
        monkeypatch.setattr(availability, "is_simulated", lambda: False)
        monkeypatch.setattr(availability, "_bindings_major", lambda: bindings)
        monkeypatch.setattr(cuda.bindings, "driver", driver)
        monkeypatch.setattr(library, "NVVM", nvvm or types.SimpleNamespace)
        return availability.status()

    return status


def missing():
    raise RuntimeError("libnvvm.so cannot be found\nlooked in many places")


@pytest.mark.parametrize(
    ("driver", "bindings", "nvvm", "message"),
    [
        (Driver(None), 13, None, "there is no NVIDIA driver"),
        (Driver(CODES.CUDA_ERROR_NO_DEVICE), 13, None, "the NVIDIA driver sees no GPU"),
        (Driver(count=0), 13, None, "the NVIDIA driver sees no GPU"),
        (Driver(CODES.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH), 13, None, "does not start: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
        (Driver(version=12040), 13, None, 'too old for the CUDA 13 packages installed; pip install "npfaceapi[cuda12]"'),
        (Driver(version=11080), 12, None, "too old for the CUDA 12 packages installed; update the driver"),
        (Driver(capability=(6, 1)), 13, None, 'the GPU is too old for CUDA 13; pip install "npfaceapi[cuda12]"'),
        (Driver(), 13, missing, 'nvvm is missing (libnvvm.so cannot be found); pip install "npfaceapi[cuda]"'),
    ],
)
def test_what_is_missing_is_said(status, driver, bindings, nvvm, message):
    available, detail = status(driver, bindings, nvvm)
    assert not available
    assert message in detail
    assert "\n" not in detail


def test_a_gpu_is_named(status):
    available, detail = status(Driver())
    assert available
    assert "on NVIDIA H200 (compute capability 9.0, driver for CUDA 13.0)" in detail


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert availability.status() == (
        False,
        'numba-cuda is not installed; pip install "npfaceapi[cuda]", with [cuda13] for CUDA 13 alone',
    )


def test_the_package_that_compiles_can_be_chosen(monkeypatch):
    installed = {"numba_cuda", "numba_cuda_mlir"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in installed else None)
    monkeypatch.delenv("NPFACEAPI_CUDA_PACKAGE", raising=False)
    assert availability.chosen_package() == "numba-cuda"
    monkeypatch.setenv("NPFACEAPI_CUDA_PACKAGE", "numba-cuda-mlir")
    assert availability.chosen_package() == "numba-cuda-mlir"
    installed.remove("numba_cuda_mlir")
    assert availability.chosen_package() is None
    needed = 'numba-cuda-mlir, which NPFACEAPI_CUDA_PACKAGE names, is not installed; pip install "numba-cuda-mlir[cu13]"'
    assert availability.status() == (False, needed)
    monkeypatch.setenv("NPFACEAPI_CUDA_PACKAGE", "cupy")
    expected = "expected NPFACEAPI_CUDA_PACKAGE to be one of numba-cuda, numba-cuda-mlir, got 'cupy'"
    assert availability.status() == (False, expected)
    monkeypatch.delenv("NPFACEAPI_CUDA_PACKAGE")
    installed.symmetric_difference_update({"numba_cuda", "numba_cuda_mlir"})
    assert availability.chosen_package() == "numba-cuda-mlir"


def test_numpy_is_left_as_it_was():
    """numba-cuda uses `numpy.row_stack`, which NumPy 2.5 has removed."""
    import npfaceapi.engines.cuda.toolchain  # noqa: F401

    assert hasattr(np, "row_stack") == (tuple(map(int, np.__version__.split(".")[:2])) < (2, 5))


def test_only_one_module_imports_numba_cuda():
    folder = Path(availability.__file__).parent
    found = [p.name for p in folder.rglob("*.py") if re.search(r"^\s*(from|import) numba", p.read_text(), re.M)]
    assert found == []  # toolchain.py imports by name
    assert "numba.cuda" in (folder / "toolchain.py").read_text()


def test_a_forked_process_is_told_so(status, monkeypatch):
    assert status(Driver())[0]
    monkeypatch.setattr(availability.os, "getpid", lambda: -1)
    available, detail = availability.status()
    assert not available
    assert "forked" in detail


def test_here_no_gpu_is_found_or_one_is():
    """On the real machine: one line in any case, and no error."""
    available, detail = availability.status()
    assert available in (True, False)
    assert detail.isprintable()


def test_a_forked_process_is_refused(monkeypatch):
    monkeypatch.setattr(availability, "_used_in", [])
    availability.check_process()
    availability.note_process()
    availability.check_process()
    monkeypatch.setattr(availability, "_used_in", [os.getppid()])
    with pytest.raises(BackendUnavailable, match=r"got one forked from it, .* 'spawn'"):
        availability.check_process()
