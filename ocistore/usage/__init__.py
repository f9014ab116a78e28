"""Bytes of owned paths."""
