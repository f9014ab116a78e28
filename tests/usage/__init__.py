"""Tests of bytes and fates."""
