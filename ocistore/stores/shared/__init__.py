"""Rules that several kinds of store share."""
