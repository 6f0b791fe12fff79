"""Folder layouts: which label map belongs to which image, in which split."""
