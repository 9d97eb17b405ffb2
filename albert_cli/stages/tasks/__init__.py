"""Kinds of tasks: texts with labels, spans, choices, tags."""
