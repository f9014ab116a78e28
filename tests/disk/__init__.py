"""Tests of the room that touches files."""
