"""The CUDA kernels: bare functions over flat arrays and offsets; they know memory, no graphs."""
