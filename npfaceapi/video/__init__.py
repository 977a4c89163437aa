"""Faces in video files: frames, tracks of faces, and a drawn copy.

PyAV, which brings FFmpeg, reads and writes the files; SciPy follows the faces (extra `video`).
"""
