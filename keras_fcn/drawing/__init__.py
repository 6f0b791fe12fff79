"""Drawing: overlays, panels and curves."""
