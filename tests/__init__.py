"""Everything that is promised about the shop and about the simulator of its supplier."""
