"""A model card holds the facts of the run, and only those."""

from __future__ import annotations

from albert_cli.report.card import CardFacts, Score, model_card, score_text


def test_a_card_shows_data_training_and_scores_with_their_interval():
    card = model_card(
        CardFacts(
            name="mrpc-2026",
            stage="finetune",
            task="mrpc",
            base_model="albert/albert-base-v2",
            data={"training examples": 3668},
            training={"steps": 800, "learning rate": 2e-5},
            scores=[Score("f1", 0.9012, "dev", 408, 0.871, 0.925)],
            environment={"python": "3.11.7", "albert_cli": "0.1.0", "packages": {"torch": "2.6"}, "git": None},
            limits=["English only."],
            license="apache-2.0",
            language="en",
        )
    )
    assert "| f1 | dev | 408 | 90.1 (87.1 to 92.5) |" in card
    assert "- training examples: 3,668" in card
    assert "- learning rate: 2e-05" in card
    assert "base_model: albert/albert-base-v2" in card
    assert "- English only." in card
    assert "- torch 2.6" in card


def test_what_was_not_measured_or_recorded_is_said_to_be_so():
    card = model_card(CardFacts(name="x", stage="pretrain"))
    assert "Not measured." in card
    assert "recorded nothing about its data" in card
    assert "license" not in card
    assert "random weights" in card


def test_a_local_base_model_is_not_published_as_a_hub_id():
    assert "base_model" not in model_card(CardFacts(name="x", stage="finetune", base_model="/home/me/model"))


def test_names_from_outside_cannot_break_the_card():
    card = model_card(CardFacts(name="<script>|x\n# y", stage="finetune", data={"a|b": "[x](http://e)\x1b"}))
    assert "<script>" not in card.replace("\\<", "")
    assert "\n# y" not in card
    assert "\\[x\\]" in card
    assert "\x1b" not in card


def test_a_score_without_an_interval_stands_alone():
    assert score_text(Score("accuracy", 0.5, "dev")) == "50.0"
