"""Customers: signing up and in, tokens, passwords, profiles."""
