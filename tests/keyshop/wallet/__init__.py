"""Tests of the ledger, of top-ups and of what explains a balance."""
