"""A database's schema: where it stands, how it is brought forward, how one is taken over."""
