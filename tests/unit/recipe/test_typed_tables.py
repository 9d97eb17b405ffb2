"""Tables that were typed by hand say what the notes and pages say that they were typed from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from subcases import each
from test_paper_page import sections
from test_table14 import table

from albert_cli.recipe.resources import RESOURCES

SPEC_NAMES = {"SQuAD1.1": "squad", "SQuAD2.0": "squad2", "SST-2": "sst2", "STS-B": "stsb"}


def table_14(spec: Path) -> None:
    """The recipes' numbers, tests/data/table14.tsv."""
    text = (spec / "albert_original.md").read_text(encoding="utf-8")
    lines = text[text.index("Hyper-parameters (P Table 14") :].split("\n\n")[1].splitlines()[2:]
    found: dict[tuple[str, str], list[float]] = {}
    for line in lines:
        name, *cells = (cell.strip().replace("*", "") for cell in line.strip("| ").split("|"))
        task = SPEC_NAMES.get(name, name.lower())
        exceptions = [re.search(r"v2: ([\d.e-]+)", cell) for cell in cells[:7]]
        plain = [float(re.match(r"[\d.e-]+", cell)[0]) for cell in cells[:7]]
        if not any(exceptions):
            found[task, "all"] = plain
            continue
        found[task, "v1"] = plain
        found[task, "v2"] = [float(one[1]) if one else number for one, number in zip(exceptions, plain, strict=True)]
    assert found == {key: list(row.values()) for key, row in table().items()}


def results(spec: Path) -> None:
    """Scores in docs/howto/reproduce_the_paper.md."""
    notes = (spec / "albert_original.md").read_text(encoding="utf-8")
    known = [set(re.split(r"\s*\|\s*", line)) for line in notes[notes.index("## 13") :].splitlines() if "|" in line]
    for heading in ("Table 2", "Table 3", "Table 4", "Table 5"):
        for cells in sections()[heading]:
            assert any(set(cells[3:9]) <= line for line in known), cells
    for heading in ("Table 9", "Table 10"):
        columns = [cells for cells in sections()[heading] if len(cells) == 6]
        assert len(columns) in (3, 8)
        for place in (3, 4):
            assert any({cells[place] for cells in columns} <= line for line in known), (heading, place)


def links(spec: Path) -> None:
    """The resources that the pages on ALBERT in the documentation of transformers link."""
    linked = set()
    for page in (spec / "documentation").glob("*.md"):
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if re.search(r"github\S+/examples/|/course/|\.\./tasks/", link):
                linked.add(link.rpartition("/tasks/")[2] if "/tasks/" in link else link)
    assert linked == {one.link.rpartition("/tasks/")[2] if "/tasks/" in one.link else one.link for one in RESOURCES}


@pytest.mark.shared
@each("typed", [table_14, results, links])
def test_what_was_typed_is_what_stands_there(typed: Callable[[Path], None], shared_dir: Path) -> None:
    typed(shared_dir / "spec")
