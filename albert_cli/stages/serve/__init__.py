"""`albert serve`: a model behind HTTP, for programs and for a browser."""
