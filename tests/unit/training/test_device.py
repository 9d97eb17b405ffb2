"""Devices, precision and threads as asked for, on a machine without a GPU and on one that pretends to have two."""

from __future__ import annotations

import pytest
import torch

from albert_cli.errors import UsageError
from albert_cli.training.device import choose_device, make_accelerator, resolve_attention, set_threads

CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize("asked", ["auto", "cpu", "-1"])
def test_without_a_gpu_it_is_the_cpu(no_gpu, asked):
    assert choose_device(asked) == (CPU, None)


@pytest.mark.parametrize("asked", ["cuda", "cuda:0", "0", "mps"])
def test_a_device_that_is_not_there_is_refused_for_training_and_replaced_for_inference(no_gpu, asked):
    with pytest.raises(UsageError, match=f"device '{asked}' is not there") as raised:
        choose_device(asked)
    assert raised.value.exit_code == 2
    assert "here are: cpu" in raised.value.hint
    device, warning = choose_device(asked, for_inference=True)
    assert device == CPU
    assert warning == f"device '{asked}' is not there, using the cpu"


@pytest.mark.parametrize("asked", ["gpu", "cuda:x", "-2", "", "cuda:"])
def test_a_name_that_means_nothing_is_refused_always(no_gpu, asked):
    with pytest.raises(UsageError, match="unknown device"):
        choose_device(asked, for_inference=True)


@pytest.mark.parametrize(
    ("asked", "expected"), [("auto", "cuda"), ("cuda", "cuda"), ("1", "cuda:1"), ("cuda:1", "cuda:1"), ("-1", "cpu")]
)
def test_gpus_are_named_or_numbered(two_gpus, asked, expected):
    assert choose_device(asked) == (torch.device(expected), None)
    with pytest.raises(UsageError, match="is not there"):
        choose_device("2")


def test_more_processes_than_gpus_are_refused(two_gpus, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(UsageError, match="3 processes on this machine, but 2 GPUs"):
        make_accelerator("cuda")


def test_one_gpu_for_several_processes_is_refused(two_gpus, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="cuda:1 names one GPU for 2 processes"):
        make_accelerator("cuda:1")


def test_half_precision_without_a_gpu(no_gpu):
    with pytest.raises(UsageError, match="fp16 needs a CUDA device"):
        make_accelerator("cpu", "fp16")
    placement = make_accelerator("0", "fp16", for_inference=True)
    assert placement.accelerator.mixed_precision == "no"
    assert placement.warning == (
        "device '0' is not there, using the cpu; fp16 needs a CUDA device, this is cpu, computing in fp32"
    )


def test_precision_may_change_between_runs_of_one_process():
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        accelerator = make_accelerator("cpu", precision).accelerator
        with accelerator.autocast():
            product = torch.nn.Linear(2, 2)(torch.ones(1, 2))
        assert product.dtype == dtype
    with pytest.raises(UsageError, match="unknown precision 'int8'"):
        make_accelerator("cpu", "int8")


def test_threads_are_as_asked_or_shared_out(monkeypatch):
    before = torch.get_num_threads()
    try:
        assert set_threads(1) == 1
        monkeypatch.setattr("albert_cli.training.device.usable_cores", lambda: 6)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
        assert set_threads() == 2
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "99")
        assert set_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_attention_kinds_are_checked_against_the_device():
    assert resolve_attention("auto", device=CPU, precision="fp32") == "auto"
    assert resolve_attention("varlen", device=torch.device("cuda"), precision="bf16") == "varlen"
    with pytest.raises(UsageError, match="needs a CUDA device"):
        resolve_attention("varlen", device=CPU, precision="bf16")
    with pytest.raises(UsageError, match="unknown attention 'flash'"):
        resolve_attention("flash", device=CPU, precision="fp32")
