"""Display of objects: HTML and SVG, text tables, feature maps as pictures, faces over their photo; and lines on
standard error.

Results, graphs and networks import it only inside functions, such as `_repr_html_`; it imports none of them.
"""
