"""How things show themselves: HTML and SVG, text tables, feature maps as pictures, faces over their photo.

Results, graphs and networks reach it inside of `_repr_html_` and `__repr__` alone; it knows none of them.
"""
