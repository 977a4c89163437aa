"""The vector width that Numba compiles for, and the number of vector registers.

The answer is taken from the compiler itself, not from the processor we happen to run on: Numba may be told to compile for
another one (NUMBA_CPU_NAME).  We let it compile one fused multiply-add of 16 floats and read which registers it uses:

    zmm (AVX-512): 16 floats, 32 registers;  ymm (AVX2): 8 floats, 16 registers;  anything else: 4 floats, 16 registers
    (32 on 64-bit ARM)

The widest panel of a matrix product is as many vectors as leave room for six rows of sums:

    32 registers: 6 rows x 4 vectors = 24 sums + 4 weights + 1 input = 29
    16 registers: 6 rows x 2 vectors = 12 sums + 2 weights + 1 input = 15
"""

from __future__ import annotations

import json
from typing import Any

import llvmlite.binding as llvm

from npfaceapi.engines.numba import cache, numba_internals

__all__ = ["LANES", "NUMBA_VERSION", "PANELS", "REGISTERS"]

_PROBE = """
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
define void @probe(<16 x float>* %p) {
  %x = load <16 x float>, <16 x float>* %p
  %y = call <16 x float> @llvm.fma.v16f32(<16 x float> %x, <16 x float> %x, <16 x float> %x)
  store <16 x float> %y, <16 x float>* %p
  ret void
}
"""


def _asked() -> dict[str, Any]:
    """What the compiler says."""
    import numba

    triple, cpu, features = numba_internals.target()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=2)
    probe = _PROBE if llvm.llvm_version_info[0] < 15 else _PROBE.replace("<16 x float>*", "ptr")
    assembly = machine.emit_assembly(llvm.parse_assembly(probe))
    if "zmm" in assembly and "fma" in assembly:
        lanes, registers = 16, 32
    elif "ymm" in assembly and "vfma" in assembly:
        lanes, registers = 8, 16
    else:
        lanes, registers = 4, 32 if triple.startswith(("aarch64", "arm64")) else 16
    return {"numba": numba.__version__, "lanes": lanes, "registers": registers}


def _known() -> dict[str, Any]:
    """What the compiler said before on this machine, else what it says now."""
    kept = cache.read("target")
    if kept is not None:
        return dict(json.loads(kept))
    asked = _asked()
    cache.write("target", json.dumps(asked).encode())
    return asked


_TARGET = _known()
NUMBA_VERSION: str = _TARGET["numba"]
LANES: int = _TARGET["lanes"]
REGISTERS: int = _TARGET["registers"]

#: Numbers of vectors of a panel of weights, the widest first.
PANELS = (4, 2, 1) if REGISTERS == 32 else (2, 1)
