"""The protocol of the guarded cache as a model, searched through every interleaving."""
