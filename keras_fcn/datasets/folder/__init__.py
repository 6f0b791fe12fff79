"""A user's folder of images and labels: found, read, checked; without TensorFlow."""
