"""BuildKit roots."""
