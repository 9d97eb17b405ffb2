"""Runs SentencePiece's trainer in a process of its own: its log goes to that process's stderr, and it can be stopped.

``python spm_trainer.py OPTIONS_AS_JSON``; exit code 1 and a last line that begins with FAILED when it fails.
"""

import json
import sys

import sentencepiece

FAILED = "FAILED "


def main() -> int:
    """Train with the options of the command line."""
    try:
        sentencepiece.SentencePieceTrainer.Train(**json.loads(sys.argv[1]))
    except (RuntimeError, ValueError, OSError) as error:
        sys.stderr.write(f"\n{FAILED}{' '.join(str(error).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
