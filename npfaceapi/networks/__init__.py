"""The networks of face-api.js, one file each: definition, input convention and decoding."""
