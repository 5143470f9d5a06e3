"""Codes and links that are mailed to prove an address."""
