"""The kernels: bare functions over addresses, one for each kind of step.

Every kernel takes the same five arguments:

    params   pointer to the call's parameters; their dtype stands at the top of the kernel's file
    memory   address of the call's workspace; an "offset" in the params counts bytes from here
    scratch  address of memory for the calling thread alone
    chunk, chunks   do this chunk of the call; chunks write disjoint parts, and none sums what another computes

An "address" in the params is of a constant (weights, tables) that lives as long as the program.  A kernel allocates nothing,
checks nothing and raises nothing.  Feature maps are NHWC with channels padded to whole vectors (the padding holds zeros) and
with a halo of zeros where a reader pads; `row` is the distance of their rows in floats.
"""
