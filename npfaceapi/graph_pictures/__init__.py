"""A recorded graph as data and as a picture: JSON, DOT, Mermaid and SVG.

`folding.py` groups nodes into boxes, `layout.py` places the boxes, `text.py` and `svg.py` write the files.
"""
