"""From data and a configuration to a trained network."""
