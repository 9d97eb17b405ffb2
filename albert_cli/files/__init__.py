"""What every room needs of the file system: atomic writes, checksums, locks, hub names, safe text."""
