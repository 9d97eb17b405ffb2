"""Optimisers, schedule, the loop, checkpoints and interruption."""
