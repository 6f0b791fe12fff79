"""Data sets: images and label maps, from files to batches."""
