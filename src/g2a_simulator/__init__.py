"""A simulator of the buyer API of G2A's marketplace, with state, faults and a control page."""
