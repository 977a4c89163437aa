"""From a photo to the input of a network: decoding, fetching, sizes and crops, batches."""
