"""Docker data-roots."""
