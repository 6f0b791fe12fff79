"""Images by the million: many workers of a Ray cluster, one manifest."""
