"""A local web service: the networks over HTTP, a WebSocket for video frames, and a page that uses both.

Networks and decoders run in child processes (`workers.py`), which are replaced when one crashes or takes too long.
"""
