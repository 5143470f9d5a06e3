"""The checker: a machine that anyone can run, and that tries to catch the shop showing an old value."""
