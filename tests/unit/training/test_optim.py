"""The two optimisers against hand-computed steps, an independent float64 restatement, and torch's AdamW."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from torch import nn

from albert_cli.training import optim
from albert_cli.training.optim import AlbertAdamW, Lamb, parameter_groups

WEIGHTS = [0.1, -0.2, 0.3]
GRADIENT = [0.01, -0.02, 0.5]


def one_step(optimizer_class, **settings):
    parameter = nn.Parameter(torch.tensor(WEIGHTS))
    parameter.grad = torch.tensor(GRADIENT)
    optimizer_class([parameter], lr=1e-3, weight_decay=0.01, **settings).step()
    return parameter.detach().double()


def test_first_adamw_step_is_the_hand_computed_one():
    # original update rule by hand: zero state, lr 1e-3, decay 0.01
    expected = torch.tensor([0.0968466908, -0.1968407145, 0.2968349223], dtype=torch.float64)
    torch.testing.assert_close(one_step(AlbertAdamW), expected, rtol=0, atol=3e-8)


def test_first_lamb_step_is_the_hand_computed_one():
    expected = torch.tensor([0.0997843800, -0.1997839714, 0.2997835753], dtype=torch.float64)
    torch.testing.assert_close(one_step(Lamb), expected, rtol=0, atol=3e-8)


def test_lamb_without_adaptation_is_adamw():
    torch.testing.assert_close(one_step(Lamb, adapt=False), one_step(AlbertAdamW), rtol=0, atol=3e-8)


def restated(weights, gradients, *, lr, decay, adapt, corrected=False, beta1=0.9, beta2=0.999, eps=1e-6):
    """The update rule in float64 numpy, written from its formula."""
    w, m, v = weights.astype(np.float64), 0.0, 0.0
    for step, g in enumerate(gradients.astype(np.float64), start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        m_hat, v_hat = (m / (1 - beta1**step), v / (1 - beta2**step)) if corrected else (m, v)
        u = m_hat / (np.sqrt(v_hat) + eps) + decay * w
        sizes = np.sqrt((w * w).sum()), np.sqrt((u * u).sum())
        w = w - lr * (sizes[0] / sizes[1] if adapt and min(sizes) > 0 else 1.0) * u
    return w


@pytest.mark.parametrize("fused_from", [1, 10**9])
@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize(("optimizer_class", "adapt"), [(AlbertAdamW, False), (Lamb, True)])
def test_thirty_steps_follow_the_formula(optimizer_class, adapt, corrected, fused_from, monkeypatch):
    monkeypatch.setattr(optim, "_FUSED_FROM", fused_from)
    random = np.random.default_rng(5)
    start = random.normal(size=(6, 4)).astype(np.float32)
    gradients = random.normal(size=(30, 6, 4)).astype(np.float32)
    gradients[7] *= 1000
    parameter = nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = optimizer_class([parameter], lr=0.01, weight_decay=0.1, bias_correction=corrected)
    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
    expected = restated(start, gradients, lr=0.01, decay=0.1, adapt=adapt, corrected=corrected)
    np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=0, atol=2e-6)


def test_with_bias_correction_adamw_is_that_of_torch():
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    settings = {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-7, "weight_decay": 0.3}
    mine = AlbertAdamW(ours.parameters(), bias_correction=True, **settings)
    torchs = torch.optim.AdamW(theirs.parameters(), foreach=False, **settings)
    for _ in range(12):
        data = torch.randn(4, 5)
        for model, optimizer in ((ours, mine), (theirs, torchs)):
            optimizer.zero_grad()
            model(data).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=0, atol=1e-6)
    torch.testing.assert_close(ours.bias, theirs.bias, rtol=0, atol=1e-6)


def test_a_tensor_of_zeros_takes_ratio_one_and_moves():
    parameter = nn.Parameter(torch.zeros(3))
    parameter.grad = torch.tensor(GRADIENT)
    Lamb([parameter], lr=1e-3, weight_decay=0.01).step()
    np.testing.assert_allclose(parameter.detach(), [-0.0031523, 0.0031573, -0.0031621], atol=2e-7)


def test_a_parameter_without_gradient_stays():
    still, moving = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    moving.grad = torch.ones(2)
    for optimizer_class in (AlbertAdamW, Lamb):
        optimizer_class([still, moving], lr=0.1).step()
    assert still.tolist() == [1.0, 1.0]
    assert moving.tolist() != [1.0, 1.0]


@pytest.mark.parametrize("optimizer_class", [AlbertAdamW, Lamb])
def test_a_gradient_laid_out_otherwise_gives_the_same_step(optimizer_class, monkeypatch):
    monkeypatch.setattr(optim, "_FUSED_FROM", 1)
    torch.manual_seed(1)
    start, gradient = torch.randn(4, 6), torch.randn(4, 6)
    results = []
    for laid_out in (gradient, gradient.t().contiguous().t()):
        parameter = nn.Parameter(start.clone())
        parameter.grad = laid_out
        optimizer_class([parameter], lr=0.1).step()
        results.append(parameter.detach())
    assert torch.equal(*results)


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.norm = nn.LayerNorm(4)
        self.dense = nn.Linear(4, 7)
        self.dense.weight = self.table.weight
        self.bias = nn.Parameter(torch.zeros(7))
        self.frozen = nn.Parameter(torch.zeros(2), requires_grad=False)


def test_only_tables_and_kernels_decay_and_ties_count_once():
    model = Tower()
    decayed, plain = parameter_groups(model, 0.05)
    assert [id(parameter) for parameter in decayed["params"]] == [id(model.table.weight)]
    expected = {id(model.norm.weight), id(model.norm.bias), id(model.dense.bias), id(model.bias)}
    assert {id(parameter) for parameter in plain["params"]} == expected
    assert (decayed["weight_decay"], decayed["adapt"]) == (0.05, True)
    assert (plain["weight_decay"], plain["adapt"]) == (0.0, False)


@pytest.mark.parametrize("optimizer_class", [AlbertAdamW, Lamb])
def test_state_survives_a_file_that_holds_only_plain_values(optimizer_class):
    def run(steps, model, optimizer):
        for step in steps:
            torch.manual_seed(step)
            optimizer.zero_grad()
            model(torch.randn(3, 5)).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    start = nn.Linear(5, 2).state_dict()
    whole, halves = nn.Linear(5, 2), nn.Linear(5, 2)
    whole.load_state_dict(start), halves.load_state_dict(start)
    run(range(6), whole, optimizer_class(parameter_groups(whole), lr=0.03, bias_correction=True))
    first = optimizer_class(parameter_groups(halves), lr=0.03, bias_correction=True)
    run(range(3), halves, first)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = optimizer_class(parameter_groups(halves), lr=1.0)
    second.load_state_dict(torch.load(file, weights_only=True))
    run(range(3, 6), halves, second)
    assert torch.equal(whole.weight, halves.weight)
    assert torch.equal(whole.bias, halves.bias)


@pytest.mark.parametrize("optimizer_class", [AlbertAdamW, Lamb])
def test_moments_of_half_precision_weights_stay_float32(optimizer_class):
    parameter = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    optimizer = optimizer_class([parameter], lr=0.1)
    parameter.grad = torch.full((3,), 0.001234, dtype=torch.bfloat16)
    optimizer.step()
    before = optimizer.state[parameter]["exp_avg_sq"].clone()
    again = optimizer_class([parameter], lr=0.1)
    again.load_state_dict(optimizer.state_dict())
    after = again.state[parameter]["exp_avg_sq"]
    assert after.dtype == torch.float32
    assert torch.equal(after, before)
    assert parameter.dtype == torch.bfloat16


@pytest.mark.parametrize("wrong", [{"lr": -1.0}, {"eps": -1.0}, {"weight_decay": -0.1}, {"betas": (1.0, 0.9)}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=r"negative|beta"):
        AlbertAdamW([nn.Parameter(torch.zeros(1))], **wrong)
