"""The connection to Redis: address, handshake, commands, scripts, and the names of keys."""
