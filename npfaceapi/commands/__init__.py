"""The commands of `npfaceapi`, one file each: `add_arguments(parser)` and `run(arguments) -> exit status`.

What they share is in `options`, `networks` and `photos`.
"""
