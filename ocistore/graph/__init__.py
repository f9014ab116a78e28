"""Nodes, edges, reach, dominators."""
