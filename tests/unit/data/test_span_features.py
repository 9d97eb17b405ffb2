"""From questions about texts to windows of tokens: layout, labels, and the way back to characters."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from albert_cli.data import span_contexts
from albert_cli.data.feature_cache import FeatureCache
from albert_cli.data.span_features import SpanExamples, encode_spans
from albert_cli.data.span_places import answer_pieces, cover_visible, locate_answer
from albert_cli.data.tasks.squad import load_span_records
from albert_cli.errors import UsageError
from albert_cli.tokenization.pieces import SPACE
from albert_cli.tokenization.tokenizer import AlbertTokenizer

MODEL = Path(__file__).resolve().parents[2] / "goldens" / "tokenizer" / "spiece.model"
TOKENIZERS = {
    "uncased": AlbertTokenizer(MODEL),
    "cased": AlbertTokenizer(MODEL, do_lower_case=False, keep_accents=True),
    "original": AlbertTokenizer(MODEL, algorithm="original"),
}

# Text and answers in it. Each goes through another corner of cleaning: lengths change, marks fall away, spaces appear.
TEXTS = {
    "plain": ("The quick brown fox, 12,345 years old, jumped over the lazy dog.", ["quick brown fox", "12,345", "The"]),
    "capitals": ("IN İSTANBUL THE STRASSE WAS LONG, said Ὀδυσσεύς ΣΟΦΟΣ.", ["İSTANBUL", "Ὀδυσσεύς ΣΟΦΟΣ"]),
    "accents": (
        "A cafe\u0301 in A\u030angstro\u0308m sold na\u00efve cr\u00e8me.",
        ["cafe\u0301", "A\u030angstro\u0308m"],
    ),
    "stacked": ("the letter a\u0323\u0302\u0301 is not o\u0308\u0304 at all", ["a\u0323\u0302\u0301", "o\u0308\u0304"]),
    "greek": ("Λουδοβίκου ΙΔ\u0384 και \u0384Ένα τοπικό", ["Λουδοβίκου ΙΔ\u0384", "\u0384Ένα τοπικό"]),
    "thai": ("กรุงเทพมหานครเป็นเมืองหลวงที่มีผู้คนมาก", ["กรุงเทพมหานคร", "ที่มีผู้คน"]),
    "hindi": ("दिल्ली भारत की राजधानी है। यमुना नदी क़िले के पास", ["राजधानी", "यमुना नदी", "क़िले"]),
    "arabic": ("وُلِدَ الشَّاعِرُ في دمشق\u00a0القديمة سنة ١٩٢٣", ["الشَّاعِرُ", "دمشق\u00a0القديمة", "١٩٢٣"]),
    "hebrew": ("בְּרֵאשִׁית בָּרָא אֱלֹהִים", ["בְּרֵאשִׁית", "אֱלֹהִים"]),
    "chinese": ("北京是中国的首都。它建于1045年，「故宫」很大。", ["北京", "1045年", "「故宫」"]),
    "japanese": ("ﾄｳｷｮｳは日本の首都で、が゙ぎ人口は㍻31年に１４００万人。", ["ﾄｳｷｮｳ", "日本", "１４００万人"]),
    "korean": ("\u1112\u1161\u11ab국의 수도는 서울이다", ["\u1112\u1161\u11ab국", "서울"]),
    "ligatures": ("The ﬁrst ½ hour: x² + y² = ﬁeld… then oﬃce ﬁ", ["ﬁrst ½ hour", "x² + y² = ﬁeld…", "oﬃce ﬁ", "½"]),
    "spaces": ("one\u00a0two  three\u3000four\tfive\u2009six\n\nseven", ["two  three", "four\tfive", "six\n\nseven"]),
    "emoji": ("I ❤\ufe0f this 👍🏽, really 👨\u200d👩\u200d👧!! 🇩🇪", ["❤\ufe0f", "👍🏽", "👨\u200d👩\u200d👧!!", "🇩🇪"]),
    "quotes": ("He said ``yes'' and ''no'' — “twice”.", ["``yes''", "''no''", "“twice”"]),
    "invisible": ("left\u200bright\u200e \ufeffword\u00ad end\x07 of\u2060 it", ["left\u200bright", "word\u00ad end"]),
    "brackets": ("the text [MASK] and [SEP] stay text", ["[MASK] and [SEP]", "[SEP]"]),
}
UNSPACED = ("thai", "chinese", "japanese", "korean")


def one_piece_a_character():
    """A tokenizer that knows every character of the texts, and nothing longer."""
    clean = "".join(unicodedata.normalize("NFKD", text).lower() for text, _ in TEXTS.values())
    kept = sorted({char for char in clean if not char.isspace()})
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", SPACE]
    return AlbertTokenizer(vocab=[(piece, -1.0) for piece in (*special, *kept)])


def rows_of(context, answers, question="What?"):
    """A question for each answer, as a data set."""
    found = [
        {
            "question": question,
            "context": context,
            "answers": {"text": [answer], "answer_start": [context.index(answer)]},
        }
        for answer in answers
    ]
    return load_span_records("squad", found).splits["test"]


def answer_of(examples, window, context):
    """Text of the labelled span of a window."""
    one = np.array([window])
    first, behind = examples.character_spans(one, examples.start_positions[one], examples.end_positions[one])
    return context[first[0] : behind[0]]


@pytest.mark.parametrize("kind", TEXTS)
def test_labels_lead_back_to_the_answers(kind):
    context, answers = TEXTS[kind]
    for name, tokenizer in {**TOKENIZERS, "characters": one_piece_a_character()}.items():
        examples = encode_spans(rows_of(context, answers), tokenizer, max_length=384)
        assert examples.is_impossible.tolist() == [0] * len(answers)
        for window, answer in enumerate(answers):
            found = answer_of(examples, window, context)
            if name == "characters" or kind not in UNSPACED:
                assert found == answer, name
            else:  # the vocabulary knows no letter of it, so that whole sentences are one piece
                assert answer in found


@pytest.mark.parametrize("kind", TEXTS)
def test_no_piece_of_an_answer_could_be_left_out(kind):
    context = TEXTS[kind][0]
    tokenizer = TOKENIZERS["uncased"]
    encoded = tokenizer.encode_with_offsets(context)
    cover_visible(context, encoded.starts, encoded.ends)
    hollow = [not piece.strip(SPACE) for piece in encoded.pieces]
    for first in range(len(context)):
        for end in range(first + 1, min(first + 9, len(context)) + 1):
            found = answer_pieces(encoded.starts, encoded.ends, hollow, first=first, end=end)
            overlapping = [
                piece
                for piece in range(len(hollow))
                if not hollow[piece] and encoded.starts[piece] < end and encoded.ends[piece] > first
            ]
            assert found == ((overlapping[0], overlapping[-1]) if overlapping else None)


@pytest.mark.parametrize("kind", TEXTS)
def test_every_visible_character_is_in_a_piece(kind):
    context = TEXTS[kind][0]
    encoded = TOKENIZERS["uncased"].encode_with_offsets(context)
    cover_visible(context, encoded.starts, encoded.ends)
    covered = {place for start, end in zip(encoded.starts, encoded.ends, strict=True) for place in range(start, end)}
    assert encoded.starts == sorted(encoded.starts)
    assert encoded.ends == sorted(encoded.ends)
    left = [char for place, char in enumerate(context) if place not in covered]
    assert not [char for char in left if char.isprintable() and not char.isspace()], left


def test_marks_dropped_at_the_edges_belong_to_the_answer():
    context = "cafe\u0301 ΙΔ\u0384 \u0384Ένα ❤\ufe0f end"
    encoded = TOKENIZERS["uncased"].encode_with_offsets(context)
    before = list(encoded.ends)
    cover_visible(context, encoded.starts, encoded.ends)
    held = {context[start:end] for start, end in zip(encoded.starts, encoded.ends, strict=True)}
    assert before != encoded.ends
    assert any(part.endswith("e\u0301") for part in held)
    assert any(part.endswith("Δ\u0384") for part in held)
    assert any(part.startswith("\u0384") for part in held)
    assert any(part.endswith("\ufe0f") for part in held)


def test_layout_types_and_forbidden_places():
    rows = rows_of("a dog ran", ["dog"], question="what ran")
    tokenizer = TOKENIZERS["uncased"]
    question, text = tokenizer.encode_batch(["what ran", "a dog ran"])
    examples = encode_spans(rows, tokenizer, max_length=64)
    batch = examples.pack(np.array([0]), with_labels=True)
    ids = [tokenizer.cls_token_id, *question, tokenizer.sep_token_id, *text, tokenizer.sep_token_id]
    assert batch.input_ids.tolist() == ids
    assert batch.lengths == (len(ids),) == tuple(examples.lengths)
    assert batch.token_type_ids.tolist() == [0] * (len(question) + 2) + [1] * (len(text) + 1)
    forbidden = [False] + [True] * (len(question) + 1) + [False] * len(text) + [True]
    assert batch.targets["p_mask"].tolist() == forbidden
    inside = examples.in_context(np.zeros(len(ids), dtype=int), np.arange(len(ids)))
    assert inside.tolist() == [False] * (len(question) + 2) + [True] * len(text) + [False]


LONG = " ".join(f"word{number} is number {number}." for number in range(60))


def test_windows_agree_with_the_tokenizers_own_overlap():
    """`overlap` is what transformers calls stride; the tokenizer's call is checked against it elsewhere."""
    tokenizer = TOKENIZERS["uncased"]
    question = "which number is it"
    rows = rows_of(LONG, ["number 41", "word3"], question=question)
    for max_length, stride in ((64, 20), (48, 1), (100, 64)):
        examples = encode_spans(rows, tokenizer, max_length=max_length, stride=stride, stride_is="overlap")
        called = tokenizer(
            question,
            LONG,
            truncation="only_second",
            max_length=max_length,
            stride=stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        mine = range(int(examples.window_offsets[1]))
        assert len(mine) == len(called["input_ids"]) > 1
        for window in mine:
            batch = examples.pack(np.array([window]), with_labels=False)
            assert batch.input_ids.tolist() == called["input_ids"][window]
            assert batch.token_type_ids.tolist() == called["token_type_ids"][window]
            tokens = np.flatnonzero(examples.in_context(np.full(batch.num_tokens, window), np.arange(batch.num_tokens)))
            first, behind = examples.character_spans(np.full(len(tokens), window), tokens, tokens)
            offsets = [called["offset_mapping"][window][token] for token in tokens]
            assert list(zip(first.tolist(), behind.tolist(), strict=True)) == [tuple(pair) for pair in offsets]


def test_an_answer_is_a_label_only_where_the_window_holds_all_of_it():
    answer = "number 30. word31 is number 31"
    examples = encode_spans(rows_of(LONG, [answer]), TOKENIZERS["uncased"], max_length=96, stride=1)
    assert len(examples) > 100
    assert sorted(set(examples.is_impossible.tolist())) == [0, 1]
    for window in range(len(examples)):
        if examples.is_impossible[window]:
            assert examples.start_positions[window] == examples.end_positions[window] == 0
            held = examples.window_sizes[window]
            tokens = examples.first_lengths[window] + np.array([0, held - 1])
            first, behind = examples.character_spans(np.full(2, window), tokens, tokens)
            begin = LONG.index(answer)
            assert not (first[0] <= begin and behind[1] >= begin + len(answer))
        else:
            assert answer_of(examples, window, LONG) in (answer, answer + ".")
            one, edges = (
                np.full(2, window),
                np.array([examples.start_positions[window], examples.end_positions[window]]),
            )
            assert examples.in_context(one, edges).all()


def test_every_token_of_the_text_has_its_maximal_context_in_one_window():
    examples = encode_spans(rows_of(LONG, ["word3"]), TOKENIZERS["uncased"], max_length=96, stride=16)
    owners = []
    for window, first in enumerate(examples.window_firsts.tolist()):
        tokens = np.arange(examples.lengths[window])
        best = np.flatnonzero(examples.is_max_context(np.full(len(tokens), window), tokens))
        owners += (best - examples.first_lengths[window] + first).tolist()
    assert owners == list(range(int(examples.context_offsets[1])))


def test_a_long_question_is_cut_and_counted():
    rows = rows_of("a dog ran", ["dog"], question=LONG)
    examples = encode_spans(rows, TOKENIZERS["uncased"], max_length=64, max_query_length=10)
    assert examples.first_lengths.tolist() == [12]
    assert examples.truncated_fraction == 1.0


def test_no_room_for_text_is_said():
    with pytest.raises(UsageError, match="room for"):
        encode_spans(rows_of("a dog", ["dog"], question=LONG), TOKENIZERS["uncased"], max_length=64)


def test_no_question_is_left_out():
    records = [
        {"question": "", "context": "", "answers": {"text": [], "answer_start": []}},
        {"question": "who", "context": "\u200b \n", "answers": {"text": ["nobody"], "answer_start": [0]}},
        {"question": "who", "context": "a dog", "answers": {"text": ["cat"], "answer_start": [-1]}},
        {"question": "who", "context": "a dog", "answers": {"text": ["dog"], "answer_start": [2]}},
    ]
    rows = load_span_records("squad2", records).splits["test"]
    examples = encode_spans(rows, TOKENIZERS["uncased"], max_length=64)
    assert examples.window_questions.tolist() == [0, 1, 2, 3]
    assert examples.is_impossible.tolist()[2:] == [1, 0]
    batch = examples.pack(np.arange(4), with_labels=True)
    assert batch.lengths[0] == 3


def test_the_first_answer_that_can_be_found_is_the_label():
    answers = {"text": ["cat", "dog"], "answer_start": [-1, 2]}
    rows = load_span_records("squad", [{"question": "who", "context": "a dog", "answers": answers}]).splits["test"]
    examples = encode_spans(rows, TOKENIZERS["uncased"], max_length=64)
    assert answer_of(examples, 0, "a dog") == "dog"


def test_unlabelled_questions_are_known_as_such():
    rows = load_span_records("squad2", [{"question": "who", "context": "a dog"}]).splits["test"]
    examples = encode_spans(rows, TOKENIZERS["uncased"], max_length=64)
    assert not examples.is_labelled
    assert set(examples.pack(np.array([0]), with_labels=False).targets) == {"p_mask"}


def test_packing_many_is_packing_each():
    contexts = [TEXTS[kind] for kind in TEXTS]
    parts = [one for context, answers in contexts for one in rows_of(context, answers)] + list(rows_of(LONG, ["word3"]))
    rows = load_span_records("squad", parts).splits["test"]
    examples = encode_spans(rows, TOKENIZERS["uncased"], max_length=80, stride=30)
    chosen = np.random.default_rng(0).permutation(len(examples))[:20]
    whole = examples.pack(chosen, with_labels=True)
    alone = [examples.pack(np.array([window]), with_labels=True) for window in chosen]
    assert whole.input_ids.tolist() == [token for batch in alone for token in batch.input_ids.tolist()]
    assert whole.token_type_ids.tolist() == [kind for batch in alone for kind in batch.token_type_ids.tolist()]
    for name in ("p_mask", "start_positions", "end_positions", "is_impossible"):
        assert whole.targets[name].tolist() == [value for batch in alone for value in batch.targets[name].tolist()]
    assert whole.indices.tolist() == chosen.tolist()


def test_several_processes_make_the_same(monkeypatch):
    monkeypatch.setattr(span_contexts, "_TEXTS_AT_ONCE", 2)
    monkeypatch.setattr(span_contexts, "_CHARACTERS_OF_A_PROCESS", 100)
    rows = load_span_records("squad", [one for c, a in TEXTS.values() for one in rows_of(c, a)]).splits["test"]
    alone = encode_spans(rows, TOKENIZERS["uncased"], max_length=64)
    assert encode_spans(rows, TOKENIZERS["uncased"], max_length=64, threads=2).fingerprint() == alone.fingerprint()


def test_fingerprint_sees_labels_and_the_disk_keeps_everything(tmp_path):
    rows = rows_of("a dog and a cat", ["dog"])
    examples = encode_spans(rows, TOKENIZERS["uncased"], max_length=64)
    other = encode_spans(rows_of("a dog and a cat", ["cat"]), TOKENIZERS["uncased"], max_length=64)
    assert examples.fingerprint() != other.fingerprint()
    cache = FeatureCache(tmp_path, warn=pytest.fail)
    for _ in range(2):
        kept = cache.get(SpanExamples, "k" * 64, lambda: examples)
        assert kept.fingerprint() == examples.fingerprint()
        assert (
            kept.pack(np.array([0]), with_labels=True).input_ids.tolist()
            == examples.pack(np.array([0]), with_labels=True).input_ids.tolist()
        )


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("dog", 2, (2, 5, "exact")),
        ("dog", 0, (2, 5, "moved")),
        ("dog", 15, (12, 15, "moved")),
        ("dog", -1, (2, 5, "moved")),
        ("A Dog", 0, (0, 5, "differs")),
        ("a dog  cat", 0, (0, 9, "differs")),
        ("adog ca", 0, (0, 8, "differs")),
        (" cat ", 6, (6, 9, "moved")),
        ("bird", 6, (6, 10, "differs")),
        ("bird", -1, (0, 0, "missing")),
    ],
)
def test_answers_that_are_not_where_they_should_be(text, start, expected):
    assert locate_answer("a dog\ncat a dog.", text, start) == expected
