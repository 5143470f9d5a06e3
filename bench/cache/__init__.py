"""What the guarded cache gives, and what it costs."""
