"""Metrics of segmentation, and evaluation of networks on splits."""
