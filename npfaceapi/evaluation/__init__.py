"""How good the answers are: the protocols of public data sets, and of folders of one's own."""
