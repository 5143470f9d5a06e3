"""The payment providers."""
