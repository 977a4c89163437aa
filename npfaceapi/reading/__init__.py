"""Reading what others wrote or sent: files, URLs and JSON, with a bound on all of it."""
