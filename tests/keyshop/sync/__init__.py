"""The sync, against real PostgreSQL and the simulator over HTTP."""
