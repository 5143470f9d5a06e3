"""Tools that know nothing of games."""
