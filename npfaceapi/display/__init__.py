"""How things show themselves: HTML and SVG, text tables, feature maps as pictures, faces over their photo; and lines on
standard error.

Results, graphs and networks reach it inside of functions alone, such as `_repr_html_`; it knows none of them.
"""
