"""The JSON API of the storefront, with health, metrics and its own documentation."""
