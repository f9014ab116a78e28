"""Makers of large stores, and side-by-side runs."""
