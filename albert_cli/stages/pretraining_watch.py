"""What a pretraining run measures on its way, and what it makes of the figures: lines, scores, warnings, an end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from albert_cli.data.batching import PackedBatch
from albert_cli.errors import TrainingError
from albert_cli.models.base import AlbertPreTrainedModel
from albert_cli.report.card import Score
from albert_cli.stages.follow import Measured, Window
from albert_cli.stages.session import Session
from albert_cli.stages.suspicions import Collapse, Suspicions, wilson_interval
from albert_cli.training.evaluation import Evaluation, evaluate
from albert_cli.training.objectives import PretrainingObjective


@dataclass
class Watch:
    """Measures, and looks at what it measured.

    Attributes:
        session: of the run.
        model: the one that is trained.
        objective: what is measured.
        held_out: batches to measure on; may be empty, then the training figures are looked at.
        max_steps: updates of the whole run.
        suspicions: what to warn of.
        collapse: when to end.
    """

    session: Session
    model: AlbertPreTrainedModel
    objective: PretrainingObjective
    held_out: list[PackedBatch]
    max_steps: int
    suspicions: Suspicions
    collapse: Collapse

    def measure(self, step: int) -> Evaluation:
        """Evaluate on the held-out text, on all processes."""
        session = self.session
        found = evaluate(
            self.model, self.objective, batches=self.held_out, accelerator=session.accelerator, stop=session.stop
        )
        self._look(_values(found), found.counts.get("sop", 0.0), step)
        return found

    def train_line(self, window: Window) -> dict[str, float]:
        """Figures of a log interval.

        Raises:
            TrainingError: the model has collapsed.
        """
        line, sums, last = _train_figures(window), window.read()[1], window.last
        assert last is not None
        pairs = sums.get("sop_count", 0.0)
        if not self.held_out:
            self._look(line, pairs, last.step)
        sign = self.collapse.sign(line, masked=sums["mlm_masked"], pairs=pairs, step=last.step)
        if sign is not None:  # from sums over all processes, so all of them end here
            raise _collapsed(sign, line, last.step)
        return line

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, JSON values: the same on all processes, as the figures are."""
        return {"collapse": self.collapse.state(), "said": sorted(self.suspicions.said)}

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept, so that a run ends and warns where it would have without a break."""
        self.collapse.take_up(state.get("collapse", {}))
        self.suspicions.said = set(state.get("said", ()))

    def _look(self, values: Mapping[str, float], pairs: float, step: int) -> None:
        for text in self.suspicions.about(values, pairs=pairs, step=step, final=step >= self.max_steps):
            self.session.talk.warn(f"step {step}: {text}")


def pretraining_values(losses: dict[str, float], sums: dict[str, float]) -> dict[str, float]:
    """Values of metrics.jsonl from mean losses and summed metrics.

    Args:
        losses: means of ``mlm`` and, with a sentence task, ``sop``.
        sums: metrics of `PretrainingObjective` and the denominators ``mlm_count`` and ``sop_count``.
    """
    values = {"loss": sum(losses.values()), "mlm_loss": losses["mlm"]}
    shown = max(sums["mlm_masked"], 1.0)
    values |= {
        "mlm_accuracy": sums["mlm_correct"] / max(sums["mlm_count"], 1.0),
        "mlm_loss_masked": sums["mlm_masked_loss"] / shown,
        "mlm_accuracy_masked": sums["mlm_masked_correct"] / shown,
        "mlm_loss_unigram": sums["mlm_masked_unigram_loss"] / shown,
        "mlm_accuracy_unigram": sums["mlm_masked_unigram_correct"] / shown,
    }
    if "sop" in losses:
        values |= {"sop_loss": losses["sop"], "sop_accuracy": sums["sop_correct"] / max(sums["sop_count"], 1.0)}
    return values


def _train_figures(window: Window) -> dict[str, float]:
    losses, sums = window.read()
    last = window.last
    assert last is not None
    return {
        **pretraining_values(losses, sums),
        "learning_rate": last.learning_rate,
        "gradient_norm": float(last.gradient_norm),
    }


def _collapsed(sign: str, line: Mapping[str, float], step: int) -> TrainingError:
    return TrainingError(
        f"the model has collapsed by step {step}: {sign}; most likely the learning rate is too high "
        f"({line['learning_rate']:.3g} now)",
        hint="lower train.learning_rate (to a tenth, say) or lengthen train.warmup_steps",
    )


def _values(evaluation: Evaluation) -> dict[str, float]:
    counts = {f"{name}_count": value for name, value in evaluation.counts.items()}
    return pretraining_values(evaluation.losses, {**evaluation.metrics, **counts})


def measured(evaluation: Evaluation) -> Measured:
    """An evaluation in the words of metrics.jsonl; the best checkpoint is that of the lowest loss."""
    values = _values(evaluation)
    return Measured({"held_out": values}, score=values["loss"])


def final_scores(evaluation: Evaluation) -> list[Score]:
    """Held-out values of the finished model; the order of segments, whose pairs are independent, with its interval."""
    scores = []
    for name, value in _values(evaluation).items():
        pairs = int(evaluation.counts.get("sop", 0)) if name == "sop_accuracy" else 0
        low, high = wilson_interval(value, pairs) if pairs else (None, None)
        scores.append(Score(name, value, "held_out", num_examples=pairs or None, low=low, high=high))
    return scores
