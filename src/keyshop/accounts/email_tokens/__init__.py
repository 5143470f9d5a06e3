"""Codes and links that are mailed to verify an address or reset a password."""
