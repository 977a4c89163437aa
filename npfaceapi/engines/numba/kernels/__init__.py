"""The kernels: bare functions over addresses, one for each kind of step.

Every kernel takes the same five arguments:

    params   pointer to the step's record; its dtype stands at the top of the kernel's file
    memory   address of the call's workspace; where a record says "offset" it counts bytes from here
    scratch  address of memory that belongs to the calling thread alone
    chunk, chunks   do this share of the step; shares write disjoint parts, and none sums what another computes

What a record calls an address is constant (weights, tables) and lives as long as the program.  A kernel allocates nothing,
checks nothing and raises nothing.  Images are NHWC with channels padded to whole vectors (the padding holds zeros) and with a
halo of zeros where a reader pads; `row` is the distance of image rows in floats.
"""
