"""What a pretraining run is suspected of, from its figures."""

from __future__ import annotations

import json
import math

import pytest
from scipy import stats

from albert_cli.stages.suspicions import Collapse, Suspicions, wilson_interval


def figures(words=5.0, unigram=6.2, order=0.7):
    return {"mlm_loss_masked": words, "mlm_loss_unigram": unigram, "sop_accuracy": order}


def heard(values, *, step=2000, pairs=8000.0, final=False, continued=False):
    return [text.partition(":")[0] for text in Suspicions(continued).about(values, pairs=pairs, step=step, final=final)]


def test_a_model_that_learns_is_not_suspected():
    assert heard(figures()) == []


@pytest.mark.parametrize(
    ("values", "subject", "cause"),
    [
        (figures(words=6.19), "masked words", "no better than piece frequencies"),
        (figures(words=6.9), "masked words", "learning rate too high"),
        (figures(order=0.505), "sentence order", "at chance"),
        (figures(order=0.999), "sentence order", "suspiciously easy"),
    ],
)
def test_each_suspicion_names_its_likely_cause(values, subject, cause):
    (text,) = Suspicions().about(values, pairs=8000.0, step=2000, final=False)
    assert text.startswith(subject)
    assert cause in text
    assert "likely cause" in text


def test_nobody_is_suspected_too_early():
    bad = figures(words=6.2, order=0.5)
    assert heard(bad, step=900) == []
    assert heard(bad, step=900, final=True) == ["masked words", "sentence order"]
    assert heard(bad, step=20, final=True) == []
    assert heard(figures(order=0.5), pairs=50.0) == []


def test_a_suspicion_is_said_once_until_it_comes_again():
    watch = Suspicions()
    said = [
        len(watch.about(figures(words=words), pairs=8000.0, step=step, final=False))
        for step, words in ((1000, 6.2), (2000, 6.2), (3000, 5.9), (4000, 6.2))
    ]
    assert said == [1, 0, 0, 1]


def test_weights_that_do_not_know_the_text_are_noticed_before_the_first_step():
    assert heard(figures(words=8.0), step=0, continued=True) == ["the weights of the start do not know this text"]
    assert heard(figures(words=8.0), step=0) == []
    assert heard(figures(words=4.0), step=0, continued=True) == []


@pytest.mark.parametrize(("hits", "count"), [(5266, 8192), (0, 50), (50, 50), (4096, 8192)])
def test_the_interval_is_that_of_scipy(hits, count):
    expected = stats.binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson_interval(hits / count, count) == pytest.approx((expected.low, expected.high), abs=1e-6)


def collapse_after(lines, *, pairs=3200.0, patience=100):
    watch = Collapse(patience)
    for number, (words, order) in enumerate(lines, start=1):
        values = {"mlm_loss_masked": words, "mlm_loss_unigram": 6.2}
        if order is not None:
            values["sop_loss"] = order
        sign = watch.sign(values, masked=20000.0, pairs=pairs, step=50 * number)
        if sign is not None:
            return 50 * number, sign
    return None


def test_a_coin_that_costs_more_than_a_coin_is_a_collapse():
    # what AdamW at a hundred times its rate gave, fifty steps a line
    bad = [(6.99, 1.11), (6.53, 1.54), (6.29, 1.39), (6.30, 1.24), (6.29, 1.08)]
    assert collapse_after(bad) == (200, "sentence order costs 0.55 nats more than tossing a coin")


def test_words_alone_collapse_where_they_do_not_come_down():
    step, sign = collapse_after([(8.0, None), (7.0, None), (6.35, None), (6.36, None)], pairs=0.0)
    assert step == 200
    assert "0.16 nats more than with piece frequencies" in sign
    assert collapse_after([(8.0 - 0.1 * line, None) for line in range(17)], pairs=0.0) is None


def test_a_model_on_the_plateau_has_not_collapsed():
    assert collapse_after([(6.22, math.log(2) + 0.02)] * 40) is None
    assert collapse_after([(9.0, 1.5), (7.0, 1.0), (6.25, 0.72), (6.2, 0.70)]) is None


def test_noise_of_short_lines_is_no_collapse():
    watch = Collapse(0)
    for step in range(1, 60):
        order = math.log(2) + (0.3 if step % 2 else -0.3)
        values = {"mlm_loss_masked": 6.2, "mlm_loss_unigram": 6.2, "sop_loss": order}
        assert watch.sign(values, masked=300.0, pairs=32.0, step=step) is None


@pytest.mark.parametrize("break_after", [1, 2, 3, 5])
def test_a_collapse_is_seen_where_it_would_have_been_without_a_break(break_after):
    """The state goes through JSON, as in a checkpoint; lines of 30 steps make blocks of two, so some breaks cut one."""
    lines = [(step, {"mlm_loss_masked": 6.3, "mlm_loss_unigram": 6.2, "sop_loss": 1.1}) for step in range(30, 300, 30)]

    def first_sign(watch, among):
        signs = ((step, watch.sign(line, masked=3000.0, pairs=500.0, step=step)) for step, line in among)
        return next(((step, sign) for step, sign in signs if sign is not None), None)

    whole = first_sign(Collapse(60), lines)
    assert whole is not None
    assert whole[0] == 180
    before, after = Collapse(60), Collapse(60)
    assert first_sign(before, lines[:break_after]) is None
    after.take_up(json.loads(json.dumps(before.state())))
    assert first_sign(after, lines[break_after:]) == whole
