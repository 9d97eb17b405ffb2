"""Do the real peers load what `albert convert` writes, and give our outputs? ``make peers-check`` runs it.

Every head in every format that can hold it, with random weights, two groups of two layers; then TensorFlow, Flax and
transformers 4.57 in their own environment read the files.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import tiny_models

from albert_cli.convert.cells import REFUSED_HEADS
from albert_cli.models.heads import MODEL_CLASSES
from albert_cli.recipe.requests import ConvertRequest
from albert_cli.stages.convert import convert

FORMATS_OF_PEERS = ("tf1", "tf2", "flax")


def main() -> int:
    """Write all conversions, and let the peers look at them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = tiny_models.make_tokenizer(folder / "tokenizer")
        for head in MODEL_CLASSES:
            source = tiny_models.make_model(
                head,
                folder / "source" / head,
                tokenizer=tokenizer,
                embedding_size=64,
                num_hidden_layers=4,
                num_hidden_groups=2,
                inner_group_num=2,
            )
            for format_ in FORMATS_OF_PEERS:
                if (format_, head) not in REFUSED_HEADS:
                    write_case(folder / "cases" / f"{head}-{format_}", source, head, format_)
        command = [sys.argv[1], str(Path(__file__).with_name("load_conversions.py")), str(folder / "cases")]
        return subprocess.run(command, check=False).returncode


def write_case(place: Path, source: Path, head: str, format_: str) -> None:
    """One conversion, with inputs and our outputs beside it."""
    place.mkdir(parents=True)
    convert(ConvertRequest(source=str(source), target=str(place / "model"), to=format_, quiet=True))
    shape = (2, 3, 12) if head == "AlbertForMultipleChoice" else (2, 12)
    draw = torch.Generator().manual_seed(5)
    mask, types = torch.ones(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64)
    mask[1, ..., 9:] = 0
    types[..., 5:] = 1
    given = {
        "input_ids": torch.randint(5, 90, shape, generator=draw),
        "attention_mask": mask,
        "token_type_ids": types,
    }
    with torch.inference_mode():
        output = MODEL_CLASSES[head].from_pretrained(source)(**given)
    arrays = {f"in/{name}": value.numpy().astype(np.int32) for name, value in given.items()}
    arrays |= {f"out/{name}": value.numpy() for name, value in output.items() if isinstance(value, torch.Tensor)}
    np.savez(place / "io.npz", **arrays)
    (place / "facts.json").write_text(json.dumps({"head": head, "format": format_}))


if __name__ == "__main__":
    sys.exit(main())
