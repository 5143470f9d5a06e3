"""Accounts: registration, sign-in, sessions, passwords, profiles, and what operators do to them."""
