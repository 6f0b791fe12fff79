"""Files: atomic writes, locks, weights files and downloads."""
