"""The `cuda` backend, optional: a recorded graph on hand-written kernels for NVIDIA GPUs, in Python by numba-cuda.

    chosen.py        which package compiles the kernels                imports none of them
    toolchain.py     that package, imported
    availability.py  whether it can run here, and what is missing       touches no GPU memory
    ../fusion.py     which nodes one step computes together             knows graphs, no memory
    memory_plan.py   where each stored node lies                        knows no GPU
    launches.py      each step as kernel launches: constants, tiles, grids
    program.py       runs a batch: upload, launches, download
    capture.py       the launches of a network as ONE launch (a CUDA graph)
    device.py        the GPU: one stream, one memory allocation, one lock
    resizing.py      bilinear resizing of a photo; tasks resize on the CPU, where the photo is
    kernels/         the kernels: bare functions over flat arrays       know memory, no graphs
    jit.py           how they are compiled and launched

Importing this package imports nothing of CUDA; importing `program` imports numba-cuda; the GPU is first touched when a network
is called.
"""
