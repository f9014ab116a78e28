"""BuildKit's records, wherever an engine keeps them."""
