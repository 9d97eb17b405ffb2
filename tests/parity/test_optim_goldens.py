"""Optimisers and schedule against runs of the original code (20 steps each; float32 TensorFlow)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from subcases import each
from torch import nn

from albert_cli.training import optim
from albert_cli.training.optim import AlbertAdamW, Lamb
from albert_cli.training.schedule import learning_rate_factor

pytestmark = pytest.mark.shared

RUNS = [
    "adamw_plain",
    "adamw_nodecay",
    "adamw_warmup4_poly1",
    "adamw_startwarm3_poly05",
    "lamb_plain",
    "lamb_nodecay",
    "lamb_adapt_exclude",
    "lamb_nowarmup_poly2",
    "lamb_warmup4_poly1",
]


def groups_of(settings, parameters):
    no_decay = settings.get("exclude", settings.get("exclude_from_weight_decay", []))
    no_adaptation = settings.get("exclude_from_layer_adaptation", no_decay)
    groups = []
    for name, parameter in parameters.items():
        decays = not any(pattern in name for pattern in no_decay)
        adapts = not any(pattern in name for pattern in no_adaptation)
        decay = settings["weight_decay_rate"] if decays else 0.0
        groups.append({"params": [parameter], "weight_decay": decay, "adapt": adapts})
    return groups


@each("run", RUNS)
def test_every_parameter_after_every_step(run, shared_dir):
    check_parameters(run, shared_dir, tolerance=1e-6)


@each("run", [run for run in RUNS if run.startswith("adamw")])
def test_the_fused_kernel_makes_the_same_steps(run, shared_dir, monkeypatch):
    # It rounds decay and update apart: 1.7e-6 off the float32 golden, which itself is 1.0e-6 off float64.
    monkeypatch.setattr(optim, "_FUSED_FROM", 1)
    check_parameters(run, shared_dir, tolerance=2e-6)


def check_parameters(run, shared_dir, *, tolerance):
    folder = shared_dir / "goldens" / "D_optim"
    settings = json.loads((folder / f"{run}.json").read_text())
    golden = np.load(folder / f"{run}.npz")
    names = [str(name) for name in golden["names"]]
    parameters = {name: nn.Parameter(torch.from_numpy(golden[f"init/{name}"].copy())) for name in names}
    optimizer = {"adamw": AlbertAdamW, "lamb": Lamb}[settings["optimizer"]](groups_of(settings, parameters))
    for step in range(20):
        for name, parameter in parameters.items():
            parameter.grad = torch.from_numpy(golden[f"grad/{name}"][step].copy())
        if settings["clip_norm"]:
            norm = torch.nn.utils.clip_grad_norm_(parameters.values(), settings["clip_norm"])
            assert norm.item() == pytest.approx(golden["global_grad_norm"][step], rel=1e-5)
        for group in optimizer.param_groups:
            group["lr"] = float(golden["lr"][step])
        optimizer.step()
        for name, parameter in parameters.items():
            np.testing.assert_allclose(
                parameter.detach(), golden[f"param/{name}"][step], rtol=0, atol=tolerance, err_msg=f"{name} step {step}"
            )


@each("run", [run for run in RUNS if "poly" in run])
def test_rates_of_the_runs(run, shared_dir):
    folder = shared_dir / "goldens" / "D_optim"
    settings = json.loads((folder / f"{run}.json").read_text())
    check_rates(settings, list(range(20)), np.load(folder / f"{run}.npz")["lr"])


def test_rates_of_the_original_schedule(shared_dir):
    schedules = json.loads((shared_dir / "goldens" / "D_optim" / "schedules.json").read_text())
    assert len(schedules) >= 6
    for settings in schedules:
        check_rates(settings, settings["steps"], settings["lr"])


def check_rates(settings, steps, expected):
    rates = [
        settings["init_lr"]
        * learning_rate_factor(
            step,
            total_steps=settings["num_train_steps"],
            warmup_steps=settings["num_warmup_steps"],
            power=settings.get("poly_power", 1.0),
            start_warmup_step=settings.get("start_warmup_step", 0),
            allow_negative=True,
        )
        for step in steps
    ]
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-7 * settings["init_lr"])
