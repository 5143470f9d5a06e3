"""The interface to a supplier: its protocol, its data and its errors."""
