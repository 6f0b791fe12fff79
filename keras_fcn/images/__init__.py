"""Image files: opening, decoding, encoding."""
