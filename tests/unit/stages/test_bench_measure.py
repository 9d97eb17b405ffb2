"""Are two sides measured in turns, and does the ratio come from the rounds they shared?"""

from __future__ import annotations

import json

import torch

from albert_cli.models.config import AlbertConfig
from albert_cli.stages.bench.limit import layer_shapes, product_limit
from albert_cli.stages.bench.measure import Side, Spread, Times, facts, how_many_times, take_turns
from albert_cli.stages.bench.memory import peak_growth


def test_each_round_begins_with_another_side_after_the_warm_up() -> None:
    order: list[str] = []
    sides = [Side("a", lambda: order.append("a")), Side("b", lambda: order.append("b"))]
    times = take_turns(sides, rounds=3, warmup=2)
    assert "".join(order) == "aabb" + "ab" + "ba" + "ab"
    assert {name: len(found.wall) for name, found in times.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_taken_within_a_round() -> None:
    times = {"ours": Times((1.0, 2.0, 4.0), (9.0,) * 3), "theirs": Times((3.0, 4.0, 16.0), (9.0,) * 3)}
    assert how_many_times(times, "ours", against="theirs", clock="processor") == Spread(3.0, 2.0, 4.0)
    assert how_many_times(times, "ours", against="theirs", clock="wall").median == 1.0


def test_facts_name_threads_versions_and_seed_and_are_json() -> None:
    found = json.loads(json.dumps(facts("bench x", seed=3, rounds=2, warmup=1)))
    assert found["schema_version"] == 1
    assert found["seed"] == 3
    assert found["threads"] == torch.get_num_threads()
    assert found["versions"]["torch"]


def test_the_limit_is_the_best_route_over_the_shapes_of_a_layer() -> None:
    shapes = layer_shapes(AlbertConfig.named("tiny"), 16)
    assert shapes == [(16, 128, 384), (16, 128, 128), (16, 128, 512), (16, 512, 128)]
    found = product_limit(shapes)
    assert found["fp32"] == max(rate for name, rate in found["routes"].items() if name.startswith("fp32"))
    assert found["bf16_route"] == "bf16 default"


def fill(megabytes: int) -> object:
    return lambda: torch.ones(megabytes << 18)


def test_the_growth_of_the_peak_is_that_of_the_work_alone() -> None:
    grown = peak_growth(fill, 64)
    assert 60 << 20 < grown < 90 << 20
