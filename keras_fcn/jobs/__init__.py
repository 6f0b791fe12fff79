"""Whole jobs from Python: training, evaluation, export, and the run of a training."""
