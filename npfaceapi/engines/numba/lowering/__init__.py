"""Each kind of fused step as kernel calls: one file for each file of kernels, which fills the params that those read.

context.py    what params point to: folded and packed weights, tables; into how many chunks a call may be cut
product.py    the part of the params that the matrix product reads
convolve.py winograd.py pool.py rows.py memory.py    the calls of the kernels of that name
steps.py      which of them a step takes
"""
