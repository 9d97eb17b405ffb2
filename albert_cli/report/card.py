"""What should a reader of a trained model know about it? Facts of the run, and nothing that the run does not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from albert_cli.files.text import safe_line
from albert_cli.report import numbers

# What holds for every model of this family, whatever it was trained on.
COMMON_LIMITS = (
    "Reads at most 512 tokens at once.",
    "Repeats what its training texts say, prejudice included; it was not checked for that.",
)


@dataclass(frozen=True)
class Score:
    """One measured score.

    Attributes:
        name: metric, as the task's paper calls it ("matthews_correlation").
        value: its value; shares and correlations from 0 to 1 (or -1 to 1).
        split: what it was measured on ("dev").
        num_examples: how many examples, or None.
        low: lower end of the 95 % interval, or None.
        high: upper end, or None.
        is_share: whether the value is a share or a correlation, which people read times a hundred; an error in the
            units of the labels is not.
    """

    name: str
    value: float
    split: str
    num_examples: int | None = None
    low: float | None = None
    high: float | None = None
    is_share: bool = True


@dataclass(frozen=True)
class CardFacts:
    """What a run knows about its model.

    Attributes:
        name: title of the card, usually the name of the run.
        stage: ``pretrain``, ``finetune`` or ``train-tokenizer``.
        task: the task, or None.
        base_model: what the training started from; None means random weights.
        data: facts about the data, in the order to show them ("training examples": 3,668).
        training: settings and course of the training, in the order to show them.
        scores: measured scores; empty means that nothing was measured.
        environment: as `environment.describe_environment` gives it.
        limits: limits of this model that the run knows of.
        license: licence of the weights, or None when the run cannot know it.
        language: language code of the data, or None.
    """

    name: str
    stage: str
    task: str | None = None
    base_model: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Sequence[Score] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    limits: Sequence[str] = ()
    license: str | None = None
    language: str | None = None


def model_card(facts: CardFacts) -> str:
    """Write the card as Markdown, with the front matter that the hub reads."""
    sections = [
        _front_matter(facts),
        f"# {_text(facts.name)}",
        _introduction(facts),
        _list_section("Data", facts.data, "The run recorded nothing about its data."),
        _list_section("Training", facts.training, "The run recorded nothing about its training."),
        _scores_section(facts.scores),
        "## Limits\n\n" + "\n".join(f"- {_text(limit)}" for limit in [*facts.limits, *COMMON_LIMITS]),
        _use_section(facts),
        _environment_section(facts.environment),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def score_text(score: Score) -> str:
    """Write a score with its interval: ``87.1 (85.5 to 88.6)``."""
    write = numbers.score if score.is_share else _plain
    text = write(score.value)
    if score.low is None or score.high is None:
        return text
    return f"{text} ({write(score.low)} to {write(score.high)})"


def _plain(value: float) -> str:
    return f"{value:.4g}"


def _front_matter(facts: CardFacts) -> str:
    pairs = [
        ("library_name", "albert-cli"),
        ("language", facts.language),
        ("license", facts.license),
        ("base_model", facts.base_model if _is_hub_id(facts.base_model) else None),
    ]
    lines = [f"{key}: {_text(value)}" for key, value in pairs if value]
    return "\n".join(["---", *lines, "tags:", "- albert", "---"])


def _introduction(facts: CardFacts) -> str:
    origin = f"`{_text(facts.base_model)}`" if facts.base_model else "random weights"
    purpose = f" for {_text(facts.task)}" if facts.task else ""
    verb = {"pretrain": "pretrained", "finetune": "fine-tuned"}.get(facts.stage, "trained")
    return f"An ALBERT model, {verb}{purpose} from {origin} with albert-cli. This card was written by the run itself."


def _list_section(title: str, facts: Mapping[str, Any], empty: str) -> str:
    if not facts:
        return f"## {title}\n\n{empty}"
    return f"## {title}\n\n" + "\n".join(f"- {_text(name)}: {_value(value)}" for name, value in facts.items())


def _scores_section(scores: Sequence[Score]) -> str:
    if not scores:
        return "## Scores\n\nNot measured."
    rows = ["| metric | split | n | score (95 % interval) |", "|---|---|---|---|"]
    for score in scores:
        examples = "" if score.num_examples is None else numbers.count(score.num_examples)
        rows.append(f"| {_text(score.name)} | {_text(score.split)} | {examples} | {score_text(score)} |")
    return "## Scores\n\nShares and correlations times 100.\n\n" + "\n".join(rows)


def _use_section(facts: CardFacts) -> str:
    if facts.stage == "train-tokenizer":
        return ""
    call = (
        "albert predict RUN FILE" if facts.stage == "finetune" else "albert run --task fill-mask --model RUN 'a [MASK]'"
    )
    return f"## Use\n\n```\n{call}\n```\n\nRUN is this directory; `transformers` reads its `model/` too."


def _environment_section(facts: Mapping[str, Any]) -> str:
    if not facts:
        return ""
    packages = facts.get("packages", {})
    lines = [f"- python {facts.get('python')}, albert-cli {facts.get('albert_cli')}"]
    lines += [f"- {name} {packages[name]}" for name in ("torch", "sentencepiece", "numpy") if packages.get(name)]
    git = facts.get("git")
    if git:
        lines.append(f"- commit {git['commit']}{' with uncommitted changes' if git['is_dirty'] else ''}")
    return "## Made with\n\n" + "\n".join(_text(line) if line[:1] != "-" else line for line in lines)


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, int):
        return numbers.count(value)
    return _text(f"{value:g}" if isinstance(value, float) else str(value))


def _text(text: str) -> str:
    """User text that cannot end a table cell, open a tag or start a link."""
    line = safe_line(str(text))
    for letter in "\\`*[]<>|":
        line = line.replace(letter, "\\" + letter)
    return line


def _is_hub_id(name: str | None) -> bool:
    """Whether a base model is a public name; a local path says nothing to a reader and may hold a user name."""
    return name is not None and not name.startswith((".", "/", "~")) and name.count("/") <= 1 and "\\" not in name
