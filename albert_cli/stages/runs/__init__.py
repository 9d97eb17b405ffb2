"""`albert runs`: look at, compare and draw past runs."""
