"""How questions with choices are laid out as tokens, cut and packed."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_files import LetterTokenizer

from albert_cli.data.choice_features import encode_choices, question_texts
from albert_cli.data.finetuning import FinetuneSource, evaluation_batches
from albert_cli.data.questions import Question, question_dataset

CLS, SEP = 2, 3
TEXT = st.text("abc ", max_size=12)
QUESTIONS = st.lists(
    st.builds(
        Question,
        context=TEXT,
        question=st.text("abc_ ", max_size=8),
        choices=st.lists(TEXT, min_size=2, max_size=5).map(tuple),
        label=st.just(1),
    ),
    min_size=1,
    max_size=5,
)


def letters(text):
    return LetterTokenizer().encode_batch([text])[0]


def encoded(*questions, **options):
    options = {"max_length": 24, "max_qa_length": 128, **options}
    return encode_choices(question_dataset(questions), LetterTokenizer(), **options)


def sequences(examples, chosen=None):
    """Ids and types of every sequence."""
    batch = examples.pack(np.arange(len(examples)) if chosen is None else np.asarray(chosen), with_labels=False)
    ends = np.cumsum(batch.lengths)
    starts = ends - batch.lengths
    return [
        (batch.input_ids[start:end].tolist(), batch.token_type_ids[start:end].tolist())
        for start, end in zip(starts, ends, strict=True)
    ]


def laid_out(context, text, *, max_length, max_qa_length):
    """The original's rule in plain words."""
    second = letters(text)[-min(max_qa_length, max_length - 3) :]
    whole = letters(context)
    if not whole:
        return [CLS, *second, SEP], [0] * (len(second) + 2)
    first = whole[: max_length - 3 - len(second)]
    return [CLS, *first, SEP, *second, SEP], [0] * (len(first) + 2) + [1] * (len(second) + 1)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(QUESTIONS, st.integers(5, 24), st.integers(1, 12), st.booleans())
def test_every_choice_is_laid_out_and_cut_as_the_original_does(questions, max_length, max_qa_length, fills):
    how = {"max_length": max_length, "max_qa_length": max_qa_length}
    examples = encoded(*questions, **how, fills_blanks=fills)
    expected = []
    for one in questions:
        first, texts = question_texts(one.context, one.question, one.choices, fills_blanks=fills)
        expected += [laid_out(first, text, **how) for text in texts]
    found = sequences(examples)
    assert found == expected
    ends = np.cumsum([len(one.choices) for one in questions])
    sizes = np.asarray([len(ids) for ids, _ in found])
    assert examples.lengths.tolist() == [part.sum() for part in np.split(sizes, ends[:-1])]
    assert max(sizes) <= max_length


def test_a_blank_stands_for_the_choice_everywhere_and_without_one_the_choice_follows():
    assert question_texts("c", " _ and _ ", ("x ", "y"), fills_blanks=True) == ("c", ["x and x", "y and y"])
    assert question_texts("c", "who?", ("x", " y"), fills_blanks=True) == ("c", ["who? x", "who? y"])
    assert question_texts("c", "my_name is", ("x", "y"), fills_blanks=False) == ("c", ["my_name is x", "my_name is y"])


def test_a_prompt_alone_is_the_first_text():
    assert question_texts("a man", "", ("sits", "flies"), fills_blanks=True) == ("a man", ["sits", "flies"])
    assert question_texts("", "a man", ("sits", "flies"), fills_blanks=True) == ("a man", ["sits", "flies"])
    assert question_texts("", "a _ man", ("tall", "old"), fills_blanks=True) == ("", ["a tall man", "a old man"])


def test_what_counts_as_cut():
    short, long = Question("ab", "", ("c", "d")), Question("a" * 30, "", ("c", "d"))
    long_choice = Question("ab", "", ("c", "d" * 30))
    assert encoded(short, long, long_choice, short, max_qa_length=10).truncated.tolist() == [False, True, True, False]
    assert encoded(short, long).truncated_fraction == 0.5
    assert encoded().truncated_fraction == 0.0


def test_a_passage_is_kept_once_for_all_its_questions():
    passage = "abc" * 20
    examples = encoded(*[Question(passage, question, ("x", "y")) for question in "pqrs"])
    assert len(examples.context_ids) == 60
    assert len({tuple(ids[:10]) for ids, _ in sequences(examples)}) == 1


MIXED = [
    Question("a", "b", ("c", "d"), 1),
    Question("e", "f", ("g", "h", "i", "j"), 3),
    Question("k", "l", ("m", "n", "o"), 0),
]


def test_a_batch_says_where_the_choices_of_each_question_are():
    examples = encoded(*MIXED)
    batch = examples.pack(np.array([2, 0]), with_labels=True)
    assert batch.indices.tolist() == [2, 0]
    assert batch.targets["choices"].tolist() == [[0, 1, 2], [3, 4, -1]]
    assert batch.targets["labels"].tolist() == [0, 1]
    assert len(batch.lengths) == 5
    assert sequences(examples, [2, 0]) == sequences(examples)[6:] + sequences(examples)[:2]
    assert set(examples.pack(np.array([1]), with_labels=False).targets) == {"choices"}


def test_labels_and_fingerprints():
    examples = encoded(*MIXED)
    assert examples.is_labelled
    assert not encoded(*MIXED, Question("a", "b", ("c", "d"))).is_labelled
    other = [Question("a", "b", ("c", "d"), 0), *MIXED[1:]]
    prints = {encoded(*MIXED).fingerprint(), encoded(*other).fingerprint(), encoded(*MIXED, max_length=9).fingerprint()}
    assert examples.fingerprint() in prints
    assert len(prints) == 3


def test_training_and_evaluation_take_whole_questions_and_pickle():
    examples = pickle.loads(pickle.dumps(encoded(*MIXED)))
    source = FinetuneSource(examples, 2, seed=1, max_steps=3)
    seen = [number for step in range(3) for batch in source[step] for number in batch.indices.tolist()]
    assert sorted(seen) == [0, 0, 1, 1, 2, 2]
    batches = evaluation_batches(examples, max_tokens=20)
    assert sorted(number for place in range(len(batches)) for number in batches[place].indices.tolist()) == [0, 1, 2]


def test_no_room_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="no room"):
        encoded(*MIXED, max_length=4)
