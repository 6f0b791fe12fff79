"""Networks for TensorFlow Serving and other runtimes, and clients of such servers."""
