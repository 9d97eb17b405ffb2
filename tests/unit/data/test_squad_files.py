"""Questions about texts from SQuAD files and tables: what is read, and what is said of what is wrong."""

from __future__ import annotations

import copy
import gzip
import json

import datasets
import pytest

from albert_cli.data.tasks.squad import load_span_file, load_span_records
from albert_cli.errors import DataError

CONTEXT = "Ada Lovelace wrote notes in 1843. She lived in London."


def question(number, *, text="1843", start=28, **more):
    answers = [] if text is None else [{"text": text, "answer_start": start}]
    return {"id": f"q{number}", "question": f"What is {number}?", "answers": answers, **more}


def squad(*questions, context=CONTEXT, title="Ada"):
    return {"version": "1.1", "data": [{"title": title, "paragraphs": [{"context": context, "qas": list(questions)}]}]}


def write(tmp_path, content, name="dev-v1.1.json"):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")
    return path


def read(path, **options):
    loaded = load_span_file("squad2", path, **options)
    return list(loaded.splits["test"]), loaded.notes


def test_a_squad_file_is_read_with_declared_features(tmp_path):
    path = write(tmp_path, squad(question(1), question(2, text="London", start=47)))
    rows = load_span_file("squad", path).splits["test"]
    assert rows.features["answers"]["answer_start"].feature == datasets.Value("int64")
    assert rows.features["is_impossible"] == datasets.Value("bool")
    assert rows[1] == {
        "idx": 1,
        "id": "q2",
        "title": "Ada",
        "question": "What is 2?",
        "context": CONTEXT,
        "answers": {"text": ["London"], "answer_start": [47]},
        "is_impossible": False,
    }


def test_every_form_of_the_same_questions_gives_the_same_rows(tmp_path):
    first, second = question(1), question(2, text="London", start=47)
    nested = squad(first, second)
    flat = [{**one, "title": "Ada", "context": CONTEXT} for one in (first, second)]
    hub = [
        {**one, "answers": {key: [answer[key] for answer in one["answers"]] for key in ("text", "answer_start")}}
        for one in flat
    ]
    own = [
        {**one, "answer": one["answers"][0]["text"], "answer_start": one["answers"][0]["answer_start"]} for one in flat
    ]
    for one in own:
        del one["answers"]
    cells = ["id,title,question,context,answer,answer_start"]
    cells += [f'{o["id"]},Ada,{o["question"]},"{CONTEXT}",{o["answer"]},{o["answer_start"]}' for o in own]
    lines = [",".join(row).replace(",", "\t") for row in ([c] for c in cells)]
    forms = {
        "squad.json": nested,
        "articles.jsonl": json.dumps(nested["data"][0]) + "\n",
        "paragraphs.json": [{"title": "Ada", **nested["data"][0]["paragraphs"][0]}],
        "bom.json": "\ufeff" + json.dumps(nested),
        "hub.json": {"version": "x", "data": hub},
        "hub.jsonl": "\n".join(json.dumps(one) for one in hub),
        "objects.jsonl": "\n".join(json.dumps(one) for one in flat),
        "own.jsonl": "\n".join(json.dumps(one) for one in own),
        "own.csv": "\n".join(cells),
        "strings.csv": "id,title,question,context,answers\n"
        + "\n".join(
            f'{o["id"]},Ada,{o["question"]},"{CONTEXT}","{json.dumps(o["answers"]).replace(chr(34), chr(34) * 2)}"'
            for o in hub
        ),
        "own.tsv": "\n".join(line.replace(f'"{CONTEXT}"', CONTEXT) for line in lines),
    }
    expected, _ = read(write(tmp_path, nested))
    for name, content in forms.items():
        rows, _ = read(write(tmp_path, content, name))
        if name == "paragraphs.json":
            rows = [{**row, "title": "Ada"} for row in rows]
        assert rows == expected, name
    with gzip.open(tmp_path / "packed.json.gz", "wt", encoding="utf-8") as file:
        json.dump(nested, file)
    assert read(tmp_path / "packed.json.gz")[0] == expected
    made = datasets.Dataset.from_list(hub)
    made.to_parquet(tmp_path / "hub.parquet")
    assert read(tmp_path / "hub.parquet")[0] == expected


def test_what_is_impossible_is_known_from_the_file_or_from_the_rest_of_it(tmp_path):
    said = squad(question(1, is_impossible=False), question(2, text=None, is_impossible=True))
    unsaid = squad(question(1), question(2, text=None))
    silent = squad(question(1, text=None), question(2, text=None))
    for content, expected in ((said, [False, True]), (unsaid, [False, True]), (silent, [None, None])):
        assert [row["is_impossible"] for row in read(write(tmp_path, content))[0]] == expected


def test_a_question_called_impossible_keeps_no_answer(tmp_path):
    rows, notes = read(write(tmp_path, squad(question(1), question(2, is_impossible=True))))
    assert rows[1]["answers"] == {"text": [], "answer_start": []}
    assert any("1 questions are marked is_impossible" in note for note in notes)


def test_an_empty_answer_is_none(tmp_path):
    rows, _ = read(write(tmp_path, squad(question(1), question(2, text="", start=-1))))
    assert [row["is_impossible"] for row in rows] == [False, True]


def test_numbers_as_ids_and_no_ids(tmp_path):
    first, second = question(1), question(2)
    first["id"] = 262
    del second["id"]
    assert [row["id"] for row in read(write(tmp_path, squad(first, second)))[0]] == ["262", "1"]


def test_answers_that_are_not_at_their_place_are_kept_counted_and_said(tmp_path):
    off = [
        question(1),
        question(2, start=27),
        question(3, text="ada lovelace", start=0),
        question(4, text="Babbage", start=3),
        question(5, text="Babbage", start=-1),
        question(6, text="1843. She", start=50),
    ]
    rows, notes = read(write(tmp_path, squad(*off)))
    assert [row["answers"]["text"][0] for row in rows] == [one["answers"][0]["text"] for one in off]
    assert notes == (
        "test: 5 of 6 answers are not at their answer_start: 2 are found elsewhere in their text, "
        "of 2 the characters there are taken, 1 are nowhere",
    )


def test_ids_that_are_there_twice_are_said(tmp_path):
    _, notes = read(write(tmp_path, squad(question(1), question(1))))
    assert notes == ("test: 1 ids are there more than once, such as 'q1'",)


def test_half_of_a_pair_of_surrogates_does_not_move_the_answers(tmp_path):
    text = '{"data": [{"paragraphs": [{"context": "a \\ud83d dog", "qas": [{"id": "1", "question": "\\udc00?", '
    path = write(tmp_path, text + '"answers": [{"text": "dog", "answer_start": 4}]}]}]}]}')
    rows, notes = read(path)
    assert (rows[0]["context"], rows[0]["question"]) == ("a \ufffd dog", "\ufffd?")
    assert notes == ()


def test_named_columns(tmp_path):
    path = write(tmp_path, [{"frage": "Wer?", "absatz": CONTEXT, "wort": "Ada", "ab": 0}], "own.json")
    columns = {"question": "frage", "context": "absatz", "answers": "wort", "answer_start": "ab"}
    rows, notes = read(path, columns=columns)
    assert rows[0]["answers"] == {"text": ["Ada"], "answer_start": [0]}
    assert notes == ("columns of test: question=frage, context=absatz, answers=wort, answer_start=ab",)


def test_an_answer_without_a_start_is_looked_for_in_own_tables(tmp_path):
    content = "question,context,answer\nWho?,Ada met Ada B.,Ada B\nWhere?,Ada met Ada B.,\nWhat?,[x] is y,[x]\n"
    rows, _ = read(write(tmp_path, content, "own.csv"))
    assert [row["answers"]["answer_start"] for row in rows] == [[8], [], [0]]
    assert [row["is_impossible"] for row in rows] == [False, True, False]
    with pytest.raises(
        DataError, match=r"an answer without answer_start is 2 times in its context: 'Ada' \(.*own.csv:3"
    ):
        read(write(tmp_path, content.replace("B.,\n", "B.,Ada\n"), "own.csv"))
    with pytest.raises(DataError, match=r"is not in its context: 'Eve' \(.*own.csv:3"):
        read(write(tmp_path, content.replace("B.,\n", "B.,Eve\n"), "own.csv"))


def test_objects_to_predict_need_no_answers():
    rows = load_span_records("squad2", [{"question": "Who?", "context": CONTEXT}]).splits["test"]
    assert rows["is_impossible"] == [None]
    with pytest.raises(DataError, match=r"no question .*row 1"):
        load_span_records("squad2", [{"question": "Who?", "context": "x"}, {"context": "y"}])


def without(content, *path):
    """A copy of nested content without what stands at the path."""
    changed = copy.deepcopy(content)
    place = changed
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return changed


def changed(content, value, *path):
    """A copy of nested content with another value at the path."""
    copied = copy.deepcopy(content)
    place = copied
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copied


GOOD = squad(question(0), question(1))
PARAGRAPH = ("data", 0, "paragraphs", 0)
QUESTION = (*PARAGRAPH, "qas", 1)
ANSWER = (*QUESTION, "answers", 0)
IN_QUESTION = r"data\[0\]\.paragraphs\[0\]\.qas\[1\]"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no rows"),
        ("   \n", "no rows"),
        ("{}", "no column for the question"),
        ("[]", "no rows"),
        ('{"data": []}', "no rows"),
        ('{"data": {}}', "no column for the question"),
        ('{"data": [1]}', "a row is a number, not an object"),
        ('{"data": [{"title": "x", "paragraphs": []}]}', "no rows"),
        ('{"data": [\n{"title": ]}', r"not JSON.*:2\)"),
        ('{"version": "1.1", "data": [{"title": "x"', "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("title\tcontext\n", "not JSON"),
        (without(GOOD, *PARAGRAPH, "context"), r"no column|no context \(.*data\[0\]\.paragraphs\[0\]\)"),
        (without(GOOD, *PARAGRAPH, "qas"), r"no qas \(.*data\[0\]\.paragraphs\[0\]\)"),
        (without(GOOD, *QUESTION, "question"), rf"no question \(.*{IN_QUESTION}\)"),
        (without(GOOD, *ANSWER, "text"), rf"an answer without text \(.*{IN_QUESTION}\)"),
        (without(GOOD, *ANSWER, "answer_start"), rf"an answer without answer_start \(.*{IN_QUESTION}\)"),
        (changed(GOOD, None, *PARAGRAPH, "context"), r"no context \(.*data\[0\]\.paragraphs\[0\]\)"),
        (changed(GOOD, 7, *PARAGRAPH, "context"), r"a number as context"),
        (changed(GOOD, {}, "data", 0, "paragraphs"), r"an object as paragraphs \(.*data\[0\]\)"),
        (
            changed(GOOD, ["x"], "data", 0, "paragraphs"),
            r"a text where an object should be \(.*data\[0\].paragraphs\[0\]",
        ),
        (changed(GOOD, "x", *QUESTION), rf"a text where an object should be \(.*{IN_QUESTION}"),
        (changed(GOOD, "1843", *QUESTION, "answers"), rf"answers? .*\(.*{IN_QUESTION}\)"),
        (changed(GOOD, ["1843"], *QUESTION, "answers"), rf"a text where an object should be \(.*{IN_QUESTION}"),
        (
            changed(GOOD, {"text": ["a", "b"], "answer_start": [1]}, *QUESTION, "answers"),
            "2 answers with 1 answer_start",
        ),
        (changed(GOOD, 7, *ANSWER, "text"), "a number as an answer's text"),
        (changed(GOOD, "there", *ANSWER, "answer_start"), "answer_start is no whole number: 'there'"),
        (changed(GOOD, 1.5, *ANSWER, "answer_start"), "answer_start is no whole number"),
        (changed(GOOD, 10**40, *ANSWER, "answer_start"), "is outside its context of 54 characters"),
        (changed(GOOD, 54, *ANSWER, "answer_start"), rf"answer_start 54 is outside its context of 54.*{IN_QUESTION}"),
        (changed(GOOD, -2, *ANSWER, "answer_start"), "answer_start -2 is outside"),
        (changed(GOOD, "perhaps", *QUESTION, "is_impossible"), "is_impossible is 'perhaps'"),
    ],
)
def test_malformed_files_are_one_located_error(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert caught.value.exit_code == 3
    assert "dev-v1.1.json" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_other_malformed_files(tmp_path, monkeypatch):
    latin = tmp_path / "latin.json"
    latin.write_bytes('{"data": [{"title": "Zürich"}]}'.encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read(latin)
    cut = tmp_path / "cut.json.gz"
    cut.write_bytes(gzip.compress(json.dumps(GOOD).encode())[:-20])
    with pytest.raises(DataError, match="damaged or cut gzip"):
        read(cut)
    with pytest.raises(DataError, match="no file"):
        read(tmp_path / "nowhere.json")
    with pytest.raises(DataError, match="not a table"):
        read(write(tmp_path, "text", "notes.docx"))
    rows = "question,context,answer,answer_start\nWho?,Ada did.,Ada,0\nWho?,Ada did.,Ada,90\n"
    with pytest.raises(DataError, match=r"answer_start 90 is outside its context of 8 characters \(.*own.csv:3\)"):
        read(write(tmp_path, rows, "own.csv"))
    monkeypatch.setattr("albert_cli.data.readers_json.MAX_JSON_LINE_BYTES", 1000)
    with pytest.raises(DataError, match="a line of more than 1,000 bytes"):
        read(write(tmp_path, squad(question(1), context="x" * 1000)))
