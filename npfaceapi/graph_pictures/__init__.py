"""A recorded graph as data and as a picture: JSON, DOT, Mermaid and SVG.

`folding.py` makes few boxes of many nodes, `layout.py` says where each box stands, `text.py` and `svg.py` write.
"""
