"""Terminal, run directory, environment and model card. No torch."""
