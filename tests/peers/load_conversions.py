"""Run inside the environment of ``make peers-check``: do TensorFlow, Flax and TensorFlow 1 load what we wrote?

``python load_conversions.py FOLDER``: every sub-folder holds a conversion (``tf1``, ``tf2`` or ``flax``) and ``io.npz``
with inputs and our outputs. Prints one line each and ends with 1 if anything differs by more than 1e-4.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import torch
import transformers
from transformers.models.albert.modeling_albert import load_tf_weights_in_albert

transformers.logging.set_verbosity_error()
LIMIT = 1e-4


def main() -> int:
    """Check every folder."""
    failed = 0
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        facts = json.loads((folder / "facts.json").read_text())
        with np.load(folder / "io.npz") as file:
            stored = {name: file[name] for name in file.files}
        given = {name[3:]: values for name, values in stored.items() if name.startswith("in/")}
        expected = {name[4:]: values for name, values in stored.items() if name.startswith("out/")}
        check = {"tf1": check_tf1, "tf2": check_tf2, "flax": check_flax}[facts["format"]]
        try:
            note, found = check(folder / "model", facts["head"], given)
        except Exception as error:  # the report names every failure
            failed += 1
            print(f"FAILED {folder.name}: {type(error).__name__}: {error}")
            continue
        worst = max(
            (float(np.abs(found[name] - expected[name]).max()) for name in expected if name in found), default=0
        )
        compared = sorted(name for name in expected if name in found)
        bad = worst > LIMIT or (not compared and "arrays" not in note)
        failed += bad
        outputs = f"; {', '.join(compared)} differ by at most {worst:.2e}" if compared else ""
        print(f"{'FAILED' if bad else 'ok'} {folder.name}: {note}{outputs}")
    return 1 if failed else 0


def check_tf2(folder: Path, head: str, given: dict[str, np.ndarray]) -> tuple[str, dict[str, np.ndarray]]:
    """Load with the TensorFlow class and run it."""
    model, info = getattr(transformers, f"TF{head}").from_pretrained(folder, output_loading_info=True)
    if info["missing_keys"] or info["unexpected_keys"] or info["mismatched_keys"]:
        raise ValueError(f"loading info: {info}")
    output = model({name: tf.constant(values) for name, values in given.items()})
    return f"TF{head}", {name: np.asarray(value) for name, value in output.items() if hasattr(value, "numpy")}


def check_flax(folder: Path, head: str, given: dict[str, np.ndarray]) -> tuple[str, dict[str, np.ndarray]]:
    """Load with the Flax class and run it."""
    name = f"Flax{head}"
    output = getattr(transformers, name).from_pretrained(folder)(**given)
    return name, {field: np.asarray(value) for field, value in output.items()}


def check_tf1(folder: Path, head: str, given: dict[str, np.ndarray]) -> tuple[str, dict[str, np.ndarray]]:
    """Read every variable with TensorFlow; pretraining models also through transformers' own TF1 loader."""
    prefix = str(folder / "model.ckpt-best")
    reader = tf.train.load_checkpoint(prefix)
    names = reader.get_variable_to_shape_map()
    total = sum(int(np.prod(reader.get_tensor(name).shape)) for name in names)
    note = f"tf.train.load_checkpoint: {len(names)} arrays, {total} numbers"
    if head != "AlbertForPreTraining":
        return note, {}
    values = json.loads((folder / "albert_config.json").read_text())
    config = transformers.AlbertConfig(**{**values, "hidden_act": "gelu_new"})
    with contextlib.redirect_stdout(io.StringIO()):  # a line for every weight
        model = load_tf_weights_in_albert(transformers.AlbertForPreTraining(config), config, prefix).eval()
    with torch.inference_mode():
        output = model(**{name: torch.from_numpy(array).long() for name, array in given.items()})
    return note, {name: value.numpy() for name, value in output.items()}


if __name__ == "__main__":
    sys.exit(main())
