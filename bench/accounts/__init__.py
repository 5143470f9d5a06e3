"""How fast and how surely customers get in, and what their own pages cost."""
