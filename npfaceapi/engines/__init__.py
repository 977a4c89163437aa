"""The engines that execute a recorded graph: `reference` (NumPy), `numba`; `dispatch` chooses between them."""
