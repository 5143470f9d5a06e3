"""Pages for people: the start page, mailed links, the documentation and a built storefront."""
