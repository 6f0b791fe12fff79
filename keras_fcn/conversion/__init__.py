"""Conversion of networks for other runtimes, and the cache of converted networks."""
