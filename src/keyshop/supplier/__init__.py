"""What the shop asks of any supplier: the protocol, the shapes and the three families of errors."""
