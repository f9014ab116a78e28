"""Bytes in, values out; no files, no store knowledge."""
