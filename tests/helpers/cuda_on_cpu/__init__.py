"""The cuda backend without a GPU: the LLVM code that numba-cuda makes of each kernel, compiled for this processor.

Three things differ from the backend on a GPU: threads.c runs the kernels, a NumPy array is the memory, and nothing is captured as
a graph.  So it runs whole networks, with the tiles and grids that an H100 gets; the simulator, which runs the kernels' Python
code, is thousands of times slower.  What NVIDIA's compiler makes of the same code is not seen here, and exp is the C library's.

    python -m tests.helpers.cuda_on_cpu verify      # or another command of npfaceapi

"""

from __future__ import annotations

import ctypes
import functools
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import types
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import llvmlite.binding as llvm
import numpy as np
import pytest

__all__ = ["cuda_on_cpu", "missing", "needed"]

PROCESSORS = 132  # multiprocessors of an H100
COMPUTE_CAPABILITY = (9, 0)  # an H100's
MOST_NUMBERS = 1 << 30  # that the memory of `_CpuDevice` may grow to
IDS = ("tid.x", "ctaid.x", "ctaid.y", "ctaid.z", "ntid.x")  # threadIdx, blockIdx and blockDim, in the order of threads.c

_READ = "define i32 @read.{}() {{ %at = getelementptr i32, ptr @ids, i64 {} %id = load i32, ptr %at ret i32 %id }}\n"
#: What the kernels call, as LLVM code.
FUNCTIONS = """
declare float @llvm.fma.f32(float, float, float)
declare double @llvm.floor.f64(double)
declare double @llvm.ceil.f64(double)
declare double @llvm.fabs.f64(double)
declare float @expf(float)
declare double @exp(double)
define float @__nv_fmaf_rn(float %a, float %b, float %c) {
  %y = call float @llvm.fma.f32(float %a, float %b, float %c) ret float %y
}
define double @__nv_dmul_rn(double %a, double %b) { %y = fmul double %a, %b ret double %y }
define double @__nv_dadd_rn(double %a, double %b) { %y = fadd double %a, %b ret double %y }
define double @__nv_floor(double %a) { %y = call double @llvm.floor.f64(double %a) ret double %y }
define double @__nv_ceil(double %a) { %y = call double @llvm.ceil.f64(double %a) ret double %y }
define double @__nv_fabs(double %a) { %y = call double @llvm.fabs.f64(double %a) ret double %y }
define float @__nv_expf(float %a) { %y = call float @expf(float %a) ret float %y }
define double @__nv_exp(double %a) { %y = call double @exp(double %a) ret double %y }
define i32 @read.tid.y() { ret i32 0 }
define i32 @read.tid.z() { ret i32 0 }
@ids = global [5 x i32] zeroinitializer
""" + "".join(_READ.format(name, i) for i, name in enumerate(IDS))


def missing():
    """What is needed and missing here, or None."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "Linux on x86-64"
    return None if shutil.which("cc") else "a C compiler, cc"


needed = pytest.mark.skipif(missing() is not None, reason=f"no {missing()} here")


def _llvm_code(kernel):
    """The modules that numba-cuda makes of a kernel, its own first, as this version of LLVM reads them."""
    from numba.cuda import compiler, dispatcher

    gpu = types.SimpleNamespace(compute_capability=COMPUTE_CAPABILITY)
    settings = {"device": False, "abi": "numba", "cc": COMPUTE_CAPABILITY, "launch_bounds": kernel.launch_bounds}
    with ExitStack() as patches:
        for module in (dispatcher, compiler):  # device functions are compiled for the current GPU
            patches.enter_context(mock.patch.object(module, "get_current_device", return_value=gpu))
        library, _ = compiler._compile_pyfunc_with_fixup(kernel.function, kernel.signature, **settings)
    return [_translated(code) for code in library.llvm_strs]


def _translated(code):
    """Pointers without the types of what they point to, no metadata, no address spaces, and no names of LLVM's own."""
    code = re.sub(r'^(@"llvm\.used"|!|target ).*$', "", code, flags=re.M)
    code = re.sub(r", ![a-z]+ !\d+", "", code)
    code = code.replace(" addrspace(3)", "").replace("addrspacecast", "bitcast")
    code = code.replace('"llvm.nvvm.barrier0"', "barrier").replace("llvm.nvvm.read.ptx.sreg.", "read.")
    before = None
    while code != before:
        before, code = code, re.sub(r"(\bi\d+|\bfloat|\bdouble|\bptr|\{[^{}]*\}|\[\d+ x [^\[\]]*\])\*", "ptr", code)
    return code


def _thunk(code):
    """A function that takes a kernel's arguments from memory, 8 bytes each."""
    name, parameters = re.search(r'^define void (@"[^"]+")\((.*)\)', code, re.M).groups()
    kinds = [parameter.split()[0] for parameter in parameters.split(", ")]
    loads = "\n".join(
        f"%p{i} = getelementptr i64, ptr %values, i64 {i}\n%v{i} = load {kind}, ptr %p{i}" for i, kind in enumerate(kinds)
    )
    call = f"call void {name}({', '.join(f'{kind} %v{i}' for i, kind in enumerate(kinds))})"
    return f"declare void {name}({', '.join(kinds)})\ndefine void @thunk(ptr %values) {{\n{loads}\n{call}\nret void\n}}"


@functools.cache
def _threads():
    """threads.c, compiled."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "threads.so"
        source = Path(__file__).with_name("threads.c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-U_FORTIFY_SOURCE", "-o", library, source], check=True)
        threads = ctypes.CDLL(library)
    llvm.add_symbol("barrier", ctypes.cast(threads.barrier, ctypes.c_void_p).value)
    return threads


class CompiledKernel:
    """A kernel compiled for this processor: `kernel[grid, threads, stream](memory, ...)` runs it."""

    def __init__(self, kernel):
        threads = _threads()
        codes = _llvm_code(kernel)
        module = llvm.parse_assembly(FUNCTIONS + _thunk(codes[0]))
        for code in codes:
            module.link_in(llvm.parse_assembly(code))
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
        )
        module.triple, module.data_layout = machine.triple, str(machine.target_data)
        passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
        passes.getModulePassManager().run(module, passes)
        shared = [(v.name, str(v.global_value_type)) for v in module.global_variables if v.name.startswith("_cudapy_smem")]
        self._engine = engine = llvm.create_mcjit_compiler(module, machine)  # which must live as long as its code
        engine.finalize_object()
        self._launch, self._types = threads.launch, kernel.signature.args
        self._thunk, self._ids = (
            ctypes.c_void_p(at) for at in (engine.get_function_address("thunk"), engine.get_global_value_address("ids"))
        )
        self._has_barriers = any("call void @barrier" in code for code in codes)
        self._shared = (ctypes.c_void_p * len(shared))(*(engine.get_global_value_address(name) for name, _ in shared))
        self._shared_numbers = (ctypes.c_int * len(shared))(*(int(kind.split()[0][1:]) for _, kind in shared))

    def __getitem__(self, configuration):
        grid, threads, _ = configuration
        return functools.partial(self._run, (ctypes.c_int * 3)(*grid, *(1,) * (3 - len(grid))), threads)

    def _run(self, grid, threads, *values):
        words = np.concatenate([_words(value, str(kind)) for value, kind in zip(values, self._types, strict=True)])
        code = self._launch(
            self._thunk, words.ctypes, self._ids, grid, threads, self._has_barriers,
            self._shared, self._shared_numbers, len(self._shared),
        )  # fmt: skip
        if code:
            raise RuntimeError("expected all threads of a block to reach the same barriers")


def _words(value, kind):
    """An argument as 8-byte words, as numba-cuda passes it: an array as seven."""
    if isinstance(value, np.ndarray):
        return np.array([0, 0, value.size, value.itemsize, value.ctypes.data, value.size, value.itemsize], np.uint64)
    return np.frombuffer(np.array([value], kind).tobytes().ljust(8), np.uint64)


class _CpuDevice:
    """In place of `npfaceapi.engines.cuda.device.Device`: the memory is a NumPy array, full of NaN at first."""

    def __init__(self):
        self.processors, self.generation = PROCESSORS, 0
        self.stream = types.SimpleNamespace(synchronize=lambda: None)
        self.memory = np.empty(0, np.float32)
        self.numbers = 0

    def most_numbers(self):
        return MOST_NUMBERS

    def reserve(self, numbers):
        if numbers > self.numbers:
            self.memory, self.numbers, self.generation = np.full(numbers, np.nan, np.float32), numbers, self.generation + 1

    def write(self, at, values):
        self.memory[at : at + values.size] = values.reshape(-1)

    def read(self, at, out):
        out.reshape(-1)[:] = self.memory[at : at + out.size]

    def upload(self, values):
        return values

    def capture(self, launch_all):
        return None


compiled = functools.cache(CompiledKernel)


@contextmanager
def cuda_on_cpu():
    """Within the block there is a backend `cuda_on_cpu`; do not use `cuda` meanwhile."""
    from npfaceapi.engines import dispatch
    from npfaceapi.engines.cuda import jit, program

    gpu = _CpuDevice()
    status = dispatch.BackendStatus(True, "kernels of the cuda backend, compiled for this processor")
    backend = dispatch._BACKENDS["cuda"]._replace(status=lambda: status)
    with (
        mock.patch.dict(dispatch._BACKENDS, cuda_on_cpu=backend),
        mock.patch.object(program, "device", return_value=gpu),
        mock.patch.object(jit.Kernel, "_compiled", property(lambda kernel: compiled(kernel))),
    ):
        yield gpu
