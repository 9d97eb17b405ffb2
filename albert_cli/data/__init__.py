"""From files and hub rows to packed batches."""
