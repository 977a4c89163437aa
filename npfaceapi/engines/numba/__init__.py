"""The `numba` backend: a recorded graph becomes a list of fused steps, run by hand-written kernels.

    graph --fusion.py--> fused operations --planner.py--> steps with packed weights --threads.py--> results

`fusion.py` knows graphs but no kernels; the kernel files know arrays but no graphs; `planner.py` joins the two.
Importing this package imports numba; nothing is compiled before the first call.
"""

from npfaceapi.engines.numba.planner import NumbaProgram, plan

__all__ = ["NumbaProgram", "plan"]
