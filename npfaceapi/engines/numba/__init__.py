"""The `numba` backend: a recorded graph becomes a table of steps, run in one call on hand-written kernels.

    ../fusion.py  which nodes one step computes together             knows graphs, no memory
    planner.py    the feature map of every stored node: halo, lifetime   (workspace.py: where it lies)
    lowering/     each step as kernel calls: folded and packed weights, tables, chunks
    program.py    runs a batch; threads.py has the helpers; run.py walks through the table
    kernels/      the kernels: bare functions over addresses         know memory, no graphs
    simd/         the micro-kernels inside them, as LLVM instructions; simd/plain.py says in NumPy what each computes
    jit.py        how all of that is compiled; cache.py keeps it on disk
    bundle.py     kernels compiled elsewhere, for processes without Numba; bundling.py writes them
    numba_internals.py   what is used of Numba without being public API

`program.in_python(image)` runs the kernels as Python functions, for a debugger.

Importing this package imports nothing.  Kernels are compiled when the first program that needs them is planned; Numba itself
is imported only then, and only if they do not lie on disk yet.
"""
