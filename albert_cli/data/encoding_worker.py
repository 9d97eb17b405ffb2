"""One of the processes that turn text into token ids; ``encoding_pool`` starts them.

It reads pickled messages from its standard input, first the tokenizer and the folder of the parts, then runs of
documents, and answers each on its standard output. It ends when its input does, also when the process that started it
was killed. It imports neither torch nor datasets.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from pathlib import Path
from typing import BinaryIO

from albert_cli.data.parts import make_part


def main() -> int:
    """Serve until there is nothing more to read."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches the whole group; whoever started us decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not stand among the answers
    try:
        _serve(sys.stdin.buffer, answers)
    except (EOFError, BrokenPipeError):
        return 0
    return 0


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    tokenizer, folder = pickle.load(requests)
    encode, unk = tokenizer.flat_encoder(), tokenizer.unk_token_id
    while True:
        texts, law = pickle.load(requests)
        answer: tuple[str, object]
        try:
            answer = ("done", make_part(Path(folder), texts, law, encode=encode, unk=unk))
        except OSError as error:
            answer = ("disk", (error.errno, error.strerror, error.filename))
        except Exception:  # reported by the process that asked
            answer = ("defect", traceback.format_exc())
        del texts
        pickle.dump(answer, answers)
        answers.flush()
