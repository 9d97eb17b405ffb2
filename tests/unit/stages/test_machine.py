"""Is what decides the last digits settled by the recipe, else by the checkpoint, else by the processor?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import albert_cli
from albert_cli.models.config import AlbertConfig
from albert_cli.models.linear import choose_backend
from albert_cli.recipe.sections import Runtime
from albert_cli.report.console import Talk
from albert_cli.stages.machine import settle, settled, take_up


@pytest.fixture
def threads() -> Iterator[int]:
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def model() -> albert_cli.AlbertModel:
    return albert_cli.AlbertModel(AlbertConfig.named("tiny", vocab_size=30))


def test_a_new_run_goes_by_the_processor_and_says_so_in_its_checkpoint() -> None:
    made = model()
    settle(made, Runtime())
    assert settled(made) == {"linear": choose_backend().backend, "threads": torch.get_num_threads()}


def test_a_resumed_run_takes_product_and_threads_of_its_checkpoint(
    threads: int, capsys: pytest.CaptureFixture[str]
) -> None:
    made = model()
    settle(made, Runtime(linear="default"))
    with Talk() as talk:
        take_up(made, Runtime(), {"linear": "onednn", "threads": threads + 1}, talk)
    assert settled(made) == {"linear": "onednn", "threads": threads + 1}
    said = capsys.readouterr().err
    assert "runtime.linear: onednn" in said
    assert f"runtime.threads: {threads + 1}" in said


def test_what_the_recipe_fixes_stays(threads: int) -> None:
    made = model()
    settle(made, Runtime(linear="default", threads=threads))
    with Talk(quiet=True) as talk:
        take_up(made, Runtime(linear="default", threads=threads), {"linear": "onednn", "threads": threads + 1}, talk)
        take_up(made, Runtime(), {}, talk)  # a checkpoint of before says nothing
    assert settled(made) == {"linear": "default", "threads": threads}


def test_a_product_that_is_not_here_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = model()
    settle(made, Runtime(linear="default"))
    monkeypatch.setattr("albert_cli.models.linear.onednn_runs", lambda: False)
    with Talk() as talk:
        take_up(made, Runtime(), {"linear": "onednn"}, talk)
    assert "last digits may differ" in " ".join(capsys.readouterr().err.split())
    assert settled(made)["linear"] == "default"


def test_compiled_layers_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = torch.compile

    def traced(function: object, **options: object) -> object:
        assert options == {"dynamic": True}
        return compiled(function, backend="aot_eager", dynamic=True)  # type: ignore[call-overload]

    monkeypatch.setattr(torch, "compile", traced)
    made, ids = model().eval(), torch.tensor([[2, 5, 7, 3], [2, 9, 11, 3]])
    expected = made(ids).last_hidden_state
    settle(made, Runtime(compile=True))
    settle(made, Runtime(compile=True))  # a second attempt compiles nothing again
    torch.testing.assert_close(made(ids).last_hidden_state, expected)
    made.train()
    made(ids).last_hidden_state.sum().backward()
    assert made.encoder.albert_layer_groups[0].albert_layers[0].ffn.weight.grad is not None
