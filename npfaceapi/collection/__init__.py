"""An index of photos on disk: what every photo shows, search for a face, groups of people, exports.

`face_index.py` is the public class.  `database.py` is the SQLite file, `worker.py` turns a photo into its rows, `processes.py`
runs workers, `adding.py` writes their rows; `vectors.py` and `searching.py` find faces, `grouping.py` and `people.py` say who is
who, `contact_sheets.py` and `tables.py` write files.
"""
