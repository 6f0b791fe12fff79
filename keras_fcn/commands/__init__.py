"""The commands: train, evaluate, predict, export, and what goes with them."""
