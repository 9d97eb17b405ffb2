"""Make ``model_goldens.npz``: what the installed transformers computes for small models whose weights a formula gives.

    python tests/goldens/make_model_goldens.py

Only inputs and outputs are stored; the weights come from ``fill_by_formula`` on either side. Run it again to see
whether a new transformers computes something else; commit the result only with the reason.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "parity"))

from model_cases import BATCH, HEADS, TABLE_CONFIG, fill_by_formula, labels_for  # noqa: E402

SHARING: dict[str, dict[str, Any]] = {
    "one_group": {},
    "two_groups": {"num_hidden_layers": 4, "num_hidden_groups": 2, "hidden_act": "gelu"},
    "two_inner": {"num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 2, "hidden_act": "relu"},
    "e_is_h": {"embedding_size": 12, "hidden_act": "silu", "layer_norm_eps": 1e-5},
}


def case(name: str, config: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Outputs with labels, states, attentions and the norm of each gradient."""
    model = getattr(transformers, name)(transformers.AlbertConfig(**config, attn_implementation="eager")).eval()
    fill_by_formula(model)
    batch = dict(BATCH)
    if name == "AlbertForMultipleChoice":
        batch = {key: values[None] for key, values in batch.items()}
    batch |= labels_for(name, batch["input_ids"], num_labels=config["num_labels"], seed=7)
    bare = name == "AlbertModel"  # states and attentions of the others are the same, and large
    output = model(**batch, output_attentions=bare, output_hidden_states=bare)
    found = {f"in/{key}": values.numpy() for key, values in batch.items()}
    for field, values in output.items():
        stacked = torch.stack(values) if isinstance(values, tuple) else values
        found[f"out/{field}"] = stacked.detach().numpy()
    (output.loss if "loss" in output else output[0].square().sum() + output[1].square().sum()).backward()
    for key, parameter in model.named_parameters():
        if parameter.grad is not None:
            found[f"grad/{key}"] = parameter.grad.double().norm().numpy().astype(np.float32)
    return found


def main() -> None:
    """Write the file and say how large it is."""
    cases, arrays = {}, {}
    for name in HEADS:
        for sharing, extra in SHARING.items():
            if name != "AlbertModel" and sharing in ("two_inner", "e_is_h"):
                continue  # the encoder is the same; the bare model covers it
            two = name in ("AlbertForPreTraining", "AlbertForQuestionAnswering")
            config = {**TABLE_CONFIG, **extra, "num_labels": 2 if two else 3}
            cases[f"{name}-{sharing}"] = {"class": name, "config": config}
            arrays |= {f"{name}-{sharing}/{key}": values for key, values in case(name, config).items()}
    facts = json.dumps({"transformers": transformers.__version__, "torch": torch.__version__, "cases": cases})
    target = HERE / "model_goldens.npz"
    np.savez_compressed(target, facts=np.array(facts), **arrays)
    sys.stdout.write(f"{target.name}: {len(cases)} cases, {target.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
