"""Golden cases of the real face-api.js, and the comparison of a backend with them (see golden/README.md)."""
