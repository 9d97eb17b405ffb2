"""ALBERT in PyTorch: tokenizer, pretraining, fine-tuning, evaluation, prediction, inference."""

__version__ = "0.1.0"
