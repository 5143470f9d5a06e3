"""Measures registration and sign-in under load, and the cost of customers' own pages."""
