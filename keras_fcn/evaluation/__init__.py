"""Scores of segmentation, and of networks over whole splits."""
