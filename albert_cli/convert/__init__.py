"""Checkpoint formats: reading, writing, and the names that tie them together."""
