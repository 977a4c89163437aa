"""Accuracy: the protocols of public data sets, and evaluation on the user's own folders."""
