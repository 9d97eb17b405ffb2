"""ALBERT and its heads: torch, safetensors and the standard library only."""
