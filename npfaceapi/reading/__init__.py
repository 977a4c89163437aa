"""Reading files, URLs and JSON that are not trusted, with limits on their size."""
