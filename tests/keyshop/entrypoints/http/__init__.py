"""Tests of what the API shares with other web applications."""
