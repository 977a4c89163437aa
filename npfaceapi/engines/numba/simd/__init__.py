"""Vector code that Numba's own compiler does not find: micro-kernels written as LLVM instructions.

`target.py` asks the compiler how wide its vectors are; `emit.py` holds the few operations that the micro-kernels are written in;
`tile.py` (matrix products), `strip.py` (depthwise, pooling) and `winograd.py` are those micro-kernels, `limits.py` those that
measure what a core can do; `atomics.py` is what threads need.  All of them are Numba intrinsics: functions that jitted code
calls, with addresses passed as integers.
"""
