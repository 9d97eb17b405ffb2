"""Metric mathematics in numpy; no torch, no network."""
