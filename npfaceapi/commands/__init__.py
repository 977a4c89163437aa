"""The commands of `npfaceapi`, one file each: `add_arguments(parser)` and `run(arguments) -> exit status`.

Shared parts are in `options`, `networks` and `photos`.
"""
