"""A stand-in for the buyer's side of G2A's marketplace, with memory, moods and a page of switches."""
