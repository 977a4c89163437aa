"""What every network sees and computes for one photo, collected as data and written as one HTML page.

`detectors.py`, `cascade.py`, `faces.py` and `layers.py` collect the data, `inspecting.py` combines it, and the modules whose
names end in `page` write it.
"""
