"""From a network and images to label maps."""
