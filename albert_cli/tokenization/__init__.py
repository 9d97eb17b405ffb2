"""Text to ids with exact offsets, and the training of the SentencePiece model."""
