"""Strategies, one file each, and their registry."""
