"""How label maps are stored, and how they are read as class ids."""
