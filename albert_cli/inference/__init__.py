"""Pipelines behind albert run and albert predict, one file per task."""
