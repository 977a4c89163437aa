"""How wide the vectors are that Numba compiles for, and how many of them the processor can name.

The answer is taken from the compiler itself, not from the processor we happen to run on: Numba may be told to compile for
another one (NUMBA_CPU_NAME).  We let it compile one fused multiply-add of 16 floats and read which registers it uses:

    zmm (AVX-512): 16 floats, 32 registers;  ymm (AVX2): 8 floats, 16 registers;  anything else: 4 floats, 16 registers
    (32 on 64-bit ARM)

The widest panel of a matrix product is as many vectors as leave room for six rows of sums:

    32 registers: 6 rows x 4 vectors = 24 sums + 4 weights + 1 input = 29
    16 registers: 6 rows x 2 vectors = 12 sums + 2 weights + 1 input = 15
"""

from __future__ import annotations

import llvmlite.binding as llvm
from numba.core.registry import cpu_target

__all__ = ["LANES", "PANELS", "REGISTERS"]

_PROBE = """
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
define void @probe(<16 x float>* %p) {
  %x = load <16 x float>, <16 x float>* %p
  %y = call <16 x float> @llvm.fma.v16f32(<16 x float> %x, <16 x float> %x, <16 x float> %x)
  store <16 x float> %y, <16 x float>* %p
  ret void
}
"""


def _lanes_and_registers() -> tuple[int, int]:
    triple, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=2)
    probe = _PROBE if llvm.llvm_version_info[0] < 15 else _PROBE.replace("<16 x float>*", "ptr")
    assembly = machine.emit_assembly(llvm.parse_assembly(probe))
    if "zmm" in assembly and "fma" in assembly:
        return 16, 32
    if "ymm" in assembly and "vfma" in assembly:
        return 8, 16
    return 4, 32 if triple.startswith(("aarch64", "arm64")) else 16


LANES, REGISTERS = _lanes_and_registers()

#: Numbers of vectors of a panel of weights, the widest first.
PANELS = (4, 2, 1) if REGISTERS == 32 else (2, 1)
