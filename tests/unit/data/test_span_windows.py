"""Windows over a text: where they begin, how long they are, and which one a piece belongs to."""

from __future__ import annotations

import pytest

from albert_cli.data.span_windows import plan_windows
from albert_cli.errors import UsageError


def spans(pieces, **settings):
    plan = plan_windows(pieces, **settings)
    return list(zip(plan.firsts.tolist(), plan.sizes.tolist(), strict=True))


def test_a_text_that_fits_is_one_window():
    assert spans(10, room=10, stride=4, stride_is="step") == [(0, 10)]
    assert spans(10, room=10, stride=4, stride_is="overlap") == [(0, 10)]


def test_a_text_without_pieces_has_one_empty_window():
    plan = plan_windows(0, room=10, stride=4, stride_is="step")
    assert (plan.firsts.tolist(), plan.sizes.tolist()) == ([0], [0])
    assert (plan.best_firsts.tolist(), plan.best_ends.tolist()) == ([0], [0])


def test_step_and_overlap_mean_different_things():
    assert spans(20, room=10, stride=4, stride_is="step") == [(0, 10), (4, 10), (8, 10), (12, 8)]
    assert spans(20, room=10, stride=4, stride_is="overlap") == [(0, 10), (6, 10), (12, 8)]


def test_a_step_is_never_longer_than_a_window():
    assert spans(25, room=10, stride=128, stride_is="step") == [(0, 10), (10, 10), (20, 5)]


@pytest.mark.parametrize("settings", [{"room": 0, "stride": 4}, {"room": 8, "stride": 8, "stride_is": "overlap"}])
def test_no_room_is_said(settings):
    with pytest.raises(UsageError, match="room for") as caught:
        plan_windows(20, **{"stride_is": "step", **settings})
    assert "max_length" in caught.value.hint


def owner_by_the_rule(windows, piece):
    """The original's rule, restated: the smaller of left and right, plus a hundredth of the length; the first wins."""
    best, owner = None, None
    for number, (first, size) in enumerate(windows):
        if not first <= piece < first + size:
            continue
        score = min(piece - first, first + size - 1 - piece) + 0.01 * size
        if best is None or score > best:
            best, owner = score, number
    return owner


def test_each_piece_belongs_to_the_window_of_its_widest_surroundings():
    for stride_is in ("step", "overlap"):
        for room in (1, 2, 5, 7, 16):
            for stride in range(1, 9):
                if stride_is == "overlap" and stride >= room:
                    continue
                for pieces in (0, 1, 5, 6, 17, 40, 41, 43):
                    plan = plan_windows(pieces, room=room, stride=stride, stride_is=stride_is)
                    windows = list(zip(plan.firsts.tolist(), plan.sizes.tolist(), strict=True))
                    runs = list(zip(plan.best_firsts.tolist(), plan.best_ends.tolist(), strict=True))
                    for piece in range(pieces):
                        holders = [number for number, (low, high) in enumerate(runs) if low <= piece < high]
                        assert holders == [owner_by_the_rule(windows, piece)], (pieces, room, stride, stride_is, piece)


def test_a_long_last_window_does_not_take_what_it_does_not_hold():
    plan = plan_windows(1000, room=500, stride=300, stride_is="step")
    assert plan.best_ends.tolist()[-1] == 1000
    assert all(plan.best_firsts >= plan.firsts)
    assert all(plan.best_ends <= plan.firsts + plan.sizes)
