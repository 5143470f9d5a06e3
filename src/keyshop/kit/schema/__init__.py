"""The schema of a database: where it stands, how it is brought forward, and how one is taken over."""
