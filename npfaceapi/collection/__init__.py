"""An index of photos on disk: what every photo shows, search for a face, groups of people, exports.

`database.py` is the SQLite file, `worker.py` turns a photo into its rows, `processes.py` runs workers, `adding.py` writes what they
give; `face_index.py` is the public class.
"""
