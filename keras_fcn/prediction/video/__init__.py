"""Video: reading, predicting and writing."""
