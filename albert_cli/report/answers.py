"""How do answers look to a person at a terminal? Tables with bars, coloured names, answers marked in their text.

Everything that came from outside (texts, labels, words of a vocabulary) is shown literally: no markup, no escape
sequences. Where there is no terminal, or ``NO_COLOR`` is set, the same is written without colours.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from albert_cli.files.text import safe_line, safe_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_BAR_WIDTH = 24
_FULL, _PARTS = "█", " ▏▎▍▌▋▊▉"
_AROUND = 240  # characters of a long text shown on either side of an answer
_TEXT_SHOWN = 2000
_NUMBERS_SHOWN = 8
_NAME_STYLES = ("bold cyan", "bold magenta", "bold green", "bold yellow", "bold blue", "bold red")
_NAMES = ("token_str", "label", "choice", "sequence")


class Pretty:
    """Shows what `albert run` was asked and what it answers, one after another.

    Args:
        out: takes UTF-8.
        task: of `albert run`.
    """

    def __init__(self, out: BinaryIO, *, task: str) -> None:
        self._out = out
        self._task = task
        self._styles: dict[str, str] = {}
        from rich.console import Console

        self._page = _Page(is_terminal=out.isatty())
        self._console = Console(file=self._page, markup=False, emoji=False, highlight=False)

    def take(self, index: int, query: Any, answer: Mapping[str, Any]) -> None:
        """Show one answer below its input.

        Args:
            index: number of the input.
            query: has the input's ``text`` and ``pair``, or neither where it could not be read.
            answer: what `albert run` would write as JSON.
        """
        from rich.padding import Padding
        from rich.text import Text

        self._console.print(Text(f"[{index}]", style="dim"), *self._asked(query, answer))
        for part in self._said(query, answer):
            self._console.print(Padding(part, (0, 0, 0, 4)))
        if answer.get("truncated"):
            self._console.print(Text("    not the whole text was read", style="dim"))
        self._out.write(self._page.tear().encode("utf-8", "replace"))

    def flush(self) -> None:
        """Hand on what is held."""
        self._out.flush()

    def _asked(self, query: Any, answer: Mapping[str, Any]) -> list[Text]:
        """What stands beside the number: the text, where the answer does not show it anyway."""
        from rich.text import Text

        is_shown = self._task == "token-classification" and "error" not in answer
        if not hasattr(query, "text") or is_shown:
            return []
        text = Text(_short(query.text))
        if query.pair and self._task != "question-answering":
            text.append("  |  ", style="dim").append(_short(query.pair))
        return [text]

    def _said(self, query: Any, answer: Mapping[str, Any]) -> Iterator[RenderableType]:
        from rich.text import Text

        if "error" in answer:
            yield Text(f"error: {safe_line(str(answer.get('error')))}", style="bold red")
        elif "vector" in answer or "vectors" in answer:
            yield _numbers(answer)
        elif "labels" in answer:
            rows = zip(answer["labels"], answer["scores"], strict=True)
            yield _bars([(str(label), score) for label, score in rows])
        elif self._task == "token-classification":
            yield self._marked(query.text, answer["results"])
        elif self._task == "question-answering":
            yield from self._found(query.pair or "", answer["results"])
        else:
            yield from _candidates(answer["results"])

    def _marked(self, text: str, found: Sequence[Mapping[str, Any]]) -> Text:
        """A text with its names in colours, each with its kind behind it."""
        from rich.text import Text

        shown, place = Text(), 0
        for one in found:
            kind = str(one.get("entity_group", one.get("entity")))
            style = self._styles.setdefault(kind, _NAME_STYLES[len(self._styles) % len(_NAME_STYLES)])
            start, end = max(place, int(one["start"])), int(one["end"])
            shown.append(safe_text(text[place:start])).append(safe_text(text[start:end]), style=style)
            shown.append(f" {safe_line(kind)} {one['score']:.2f}", style=f"{style} reverse").append(" ")
            place = end + (text[end : end + 1] == " ")
        return shown.append(safe_text(text[place:]))

    def _found(self, context: str, found: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
        """Answers with their scores, and the best of them where it stands."""
        from rich.text import Text

        yield _bars([(str(one["answer"]) or "(no answer)", one["score"]) for one in found])
        best = next((one for one in found if one["answer"]), None)
        if best is None:
            return
        start, end = int(best["start"]), int(best["end"])
        first, last = max(0, start - _AROUND), min(len(context), end + _AROUND)
        shown = Text("... " if first else "").append(safe_text(context[first:start]))
        shown.append(safe_text(context[start:end]), style="bold reverse")
        yield shown.append(safe_text(context[end:last])).append(" ..." if last < len(context) else "")


class _Page(io.StringIO):
    """What was printed and is not handed on yet; says of itself whether it ends up at a terminal."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        """Whether a person watches."""
        return self._is_terminal

    def tear(self) -> str:
        """Take everything."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


def _candidates(results: Sequence[Any]) -> Iterator[RenderableType]:
    """One table, or one for each of several masks."""
    from rich.console import Group
    from rich.text import Text

    if results and isinstance(results[0], list):
        for number, words in enumerate(results):
            yield Group(Text(f"mask {number + 1}", style="dim"), _bars(_named(words)))
    else:
        yield _bars(_named(results))


def _named(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    found = [(next((one[name] for name in _NAMES if name in one), ""), one["score"]) for one in results]
    # Several masks that are filled together have a list of words.
    return [(" + ".join(name) if isinstance(name, list) else str(name), score) for name, score in found]


def _bars(rows: Sequence[tuple[str, float]]) -> Table:
    """Names with their scores, drawn where they are shares of one."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(width=_BAR_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    are_shares = all(isinstance(score, float) and 0 <= score <= 1 for _, score in rows)
    for number, (name, score) in enumerate(rows):
        drawn = Text(_bar(score) if are_shares else "", style="green" if number == 0 else "cyan")
        table.add_row(Text(f"{score:.4f}"), drawn, Text(_short(name), style="bold" if number == 0 else ""))
    return table


def _bar(share: float) -> str:
    """A bar of eighths of a character."""
    eighths = round(share * _BAR_WIDTH * len(_PARTS))
    whole, rest = divmod(eighths, len(_PARTS))
    return _FULL * whole + (_PARTS[rest] if rest else "")


def _numbers(answer: Mapping[str, Any]) -> Text:
    """Size and beginning of a vector, or of the first of several."""
    from rich.text import Text

    vectors = answer.get("vectors", [answer.get("vector")])
    first = vectors[0] if vectors else []
    length = math.sqrt(sum(number * number for number in first))
    size = f"{len(first)} numbers" if "vector" in answer else f"{len(vectors)} tokens, {len(first)} numbers each"
    begin = ", ".join(f"{number:.4f}" for number in first[:_NUMBERS_SHOWN])
    return Text(f"{size}; {'length' if 'vector' in answer else 'length of the first'} {length:.4f}: {begin}, ...")


def _short(text: str) -> str:
    return safe_text(text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN]}...")
