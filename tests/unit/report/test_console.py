"""Talk goes to stderr, results to stdout, and neither can be turned against the terminal."""

from __future__ import annotations

import io
import json

from albert_cli.errors import DataError, RecipeError
from albert_cli.report.console import Talk, error_lines, is_main_process, result_json, result_table
from albert_cli.report.tables import Table


def test_talk_never_touches_stdout(capsys):
    with Talk() as talk:
        talk.say("hello")
        talk.warn("careful")
        talk.error(DataError("broken", hint="mend it"))
        talk.table(Table(["a"], [["1"]]))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("hello\nwarning: careful\nerror: broken\ntry: mend it\na\n")


def test_quiet_keeps_warnings_and_errors(capsys):
    talk = Talk(quiet=True)
    talk.say("chatter")
    talk.table(Table(["a"], [["1"]]))
    talk.warn("careful")
    talk.error(DataError("broken"))
    assert capsys.readouterr().err == "warning: careful\nerror: broken\n"


def test_a_warning_is_given_once(capsys):
    talk = Talk()
    for _ in range(3):
        talk.warn("the same")
    assert capsys.readouterr().err == "warning: the same\n"


HOSTILE = "[/x] [bold]b[/bold] :smile: \x1b]0;t\x07 \u202e x[i]"
SHOWN = "[/x] [bold]b[/bold] :smile: \\x1b]0;t\\x07 \\u202e x[i]"


def test_user_text_is_literal_in_a_pipe(capsys):
    Talk().say(HOSTILE)
    assert capsys.readouterr().err == SHOWN + "\n"


def test_user_text_is_literal_on_a_terminal(terminal):
    talk = Talk(stream=terminal)
    talk.say(HOSTILE)
    talk.table(Table([HOSTILE], [[HOSTILE]], title=HOSTILE))
    assert terminal.getvalue().startswith(SHOWN + "\n")
    assert "\x1b]" not in terminal.getvalue()
    assert "\u202e" not in terminal.getvalue()


def test_colour_only_where_wanted(make_terminal, monkeypatch):
    plain = make_terminal()
    Talk(stream=plain).warn("careful")
    assert "\x1b[33m" in plain.getvalue()
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
        other = make_terminal()
        Talk(stream=other).warn("careful")
        assert other.getvalue() == "warning: careful\n"


def test_the_log_gets_a_plain_copy_even_when_quiet(tmp_path, terminal):
    with Talk(quiet=True, stream=terminal) as talk:
        talk.copy_to(tmp_path / "log.txt")
        talk.say("chatter \x1b[1m")
        talk.warn("careful")
        talk.note("bar line")
        talk.table(Table(["a"], [["1"]]))
    assert (tmp_path / "log.txt").read_text() == "chatter \\x1b[1m\nwarning: careful\nbar line\na\n-\n1\n"


def test_the_log_of_a_resumed_run_is_appended_to(tmp_path):
    for word in ("first", "second"):
        with Talk(stream=io.StringIO()) as talk:
            talk.copy_to(tmp_path / "log.txt")
            talk.say(word)
    assert (tmp_path / "log.txt").read_text() == "first\nsecond\n"


def test_only_the_main_process_talks(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("RANK", "1")
    assert not is_main_process()
    with Talk() as talk:
        talk.copy_to(tmp_path / "log.txt")
        talk.say("hello")
        talk.warn("careful")
        talk.table(Table(["a"], [["1"]]))
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "log.txt").exists()


def test_a_stream_that_cannot_write_a_letter_shows_its_escape():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Talk(stream=stream).say("Größe")
    assert raw.getvalue() == b"Gr\\xf6\\xdfe\n"


def test_an_error_of_many_problems_lists_each_and_one_remedy():
    error = RecipeError(["a.yaml:1 seed is text", "a.yaml:2 no such\nkey"], hint="fix the recipe")
    assert error_lines(error) == ["error: a.yaml:1 seed is text", "error: a.yaml:2 no such key", "try: fix the recipe"]


def test_a_json_result_is_one_line_with_its_schema_version(capsys):
    result_json({"metric": "ß\x1b", "value": float("nan")})
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    assert json.loads(captured.out) == {"schema_version": 1, "metric": "ß\x1b", "value": None}
    assert captured.err == ""


def test_a_table_of_results_is_plain_on_stdout(capsys):
    result_table(Table(["metric", "value"], [["f1", "91.0"], ["accuracy", "7.5"]], numeric=frozenset({1})))
    assert capsys.readouterr().out == "metric    value\n--------  -----\nf1         91.0\naccuracy    7.5\n"
