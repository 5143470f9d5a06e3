"""The buyer API of G2A behind the protocol of `supplier`; nothing else knows its shapes."""
