"""Opening, decoding and encoding of image files."""
