"""Prediction of millions of images by the workers of a Ray cluster."""
