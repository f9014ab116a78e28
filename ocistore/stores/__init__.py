"""One package a kind of store."""
