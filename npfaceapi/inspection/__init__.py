"""Looking inside: what every network sees and computes for one photo, gathered as data and written as one HTML page.

Gathered by `detectors.py`, `cascade.py`, `faces.py` and `layers.py`, put together by `inspecting.py`; written by the modules
whose names end in `_page`.
"""
