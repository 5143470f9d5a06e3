"""Signed-in devices: token families, and the access and refresh tokens of each."""
