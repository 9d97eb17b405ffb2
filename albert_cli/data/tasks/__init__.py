"""One file per fine-tuning task: read, encode, decode, score."""
