"""The G2A buyer API behind the protocol of `supplier`: the only place that knows its shapes."""
