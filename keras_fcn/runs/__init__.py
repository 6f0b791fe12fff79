"""Trained networks on disk: runs, packed networks, and those that are bundled."""
