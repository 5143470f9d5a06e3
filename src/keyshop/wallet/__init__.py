"""Customers' money: the ledger, top-ups, and what explains a balance."""
