"""Do the pages tell the truth: links that lead somewhere, commands, options, keys, recipes and files that exist?"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

import albert_cli
from albert_cli.cli.app import build_app
from albert_cli.recipe.shipped import shipped_names

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = ("", "bash", "sh", "console")

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_FILE_AND_NAME = re.compile(r"`([\w/]+\.py)` `([\w.]+)`")
_PLACEHOLDER = re.compile(r"\b(TODO|FIXME|XXX|TBD|N\.NN?)\b|\?\?\?|lorem ipsum", re.IGNORECASE)
_MACHINE_PATH = re.compile(r"(?<![\w.])(/home/|/root/|/tmp/|/Users/|/mnt/|[A-Z]:\\)")
# Folders of recipes/, from which names of shipped recipes begin.
_FOLDERS = tuple(sorted({name.split("/")[0] for name in shipped_names() if "/" in name}))
_RECIPE = re.compile(rf"({'|'.join(_FOLDERS)})/[\w-]+")


@dataclass(frozen=True)
class Call:
    """A command line of ours in a page: the command's name, and the words that follow it."""

    name: tuple[str, ...]
    words: tuple[str, ...]
    line: str


@pytest.fixture(params=PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def page(request: pytest.FixtureRequest) -> Path:
    """Each page in turn."""
    return Path(request.param)


def test_relative_links_lead_to_a_file(page: Path) -> None:
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = [target for target in _LINK.findall(prose) if "://" not in target and not target.startswith("#")]
    lost = [target for target in targets if not (page.parent / target.split("#")[0]).exists()]
    assert not lost


def test_links_stay_inside_the_repository(page: Path) -> None:
    targets = _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    local = [target for target in targets if "://" not in target and not target.startswith("#")]
    assert all((page.parent / target.split("#")[0]).resolve().is_relative_to(ROOT) for target in local)


def test_commands_and_options_exist(page: Path) -> None:
    problems = [problem for call in calls(page.read_text(encoding="utf-8")) for problem in problems_of(call)]
    assert not problems


def test_named_recipes_are_shipped(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    in_prose = _CODE.findall(_FENCE.sub("", text))
    in_commands = [word for call in calls(text) for word in call.words]
    named = {word for word in [*in_prose, *in_commands] if _RECIPE.fullmatch(word)}
    assert named <= set(shipped_names())


def test_named_source_files_exist_and_hold_the_name_beside_them(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    prose = _FENCE.sub("", text)
    files = {word for word in _CODE.findall(prose) if re.fullmatch(r"[\w.]+(/[\w.]+)+\.py", word)}
    assert [name for name in sorted(files) if source(name) is None] == []
    strangers = [
        f"{file} has no {name}"
        for file, name in _FILE_AND_NAME.findall(prose)
        if (found := source(file)) and name.split(".")[-1] not in found.read_text(encoding="utf-8")
    ]
    assert strangers == []


def test_python_examples_parse_and_import_what_exists(page: Path) -> None:
    for language, block in _FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            assert list(unknown_imports(block)) == []


def test_no_placeholders_and_no_paths_of_a_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not _PLACEHOLDER.search(text)
    assert not _MACHINE_PATH.search(text)


def test_every_command_has_its_line_in_the_readme() -> None:
    named = {call.name[0] for call in calls((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert named == set(root_command().commands)


def test_every_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
        waiting += [page.parent / link.split("#")[0] for link in links if "://" not in link]
    assert {page.resolve() for page in PAGES} - seen == set()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("albert pretrain demo/pretrain --set train.max_steps=3 --out runs/x", None),
        ("cat a.txt | albert predict runs/x - > b.txt", None),
        ("HF_HUB_OFFLINE=1 albert run --task fill-mask 'a [MASK]'", None),
        ("torchrun --nproc_per_node 2 -m albert_cli finetune glue/mnli --out runs/x", None),
        ("albert recipe show glue/mrpc --origin", None),
        ("albert pretrian demo/pretrain", "no command albert pretrian"),
        ("albert recipe lst", "no command albert recipe lst"),
        ("albert env --nproc 2", "albert env has no --nproc"),
        ("echo a | albert predict runs/x - --seed 3", "albert predict has no --seed"),
        ("albert finetune glue/mrpc --set train.max_step=3", "no key train.max_step"),
    ],
)
def test_the_check_of_commands_finds_what_is_wrong(line: str, problem: str | None) -> None:
    found = [text for call in calls(f"```\n{line}\n```\n") for text in problems_of(call)]
    assert found == ([] if problem is None else [problem])


def calls(text: str) -> Iterator[Call]:
    """Command lines of ours in the fenced shell blocks of a page."""
    for language, block in _FENCE.findall(text):
        if language not in SHELL:
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if re.search(r"(^|[|=\w] )\s*albert |-m albert_cli ", line):
                yield from _calls_of_line(line)


def _calls_of_line(line: str) -> Iterator[Call]:
    reader = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    reader.whitespace_split = True
    segment: list[str] = []
    for word in [*reader, "|"]:
        if word and not set(word) <= set("|&;<>"):
            segment.append(word)
            continue
        while segment and re.fullmatch(r"\w+=\S*", segment[0]):
            segment.pop(0)
        words = segment[segment.index("albert_cli") + 1 :] if "albert_cli" in segment else segment[1:]
        if words and ("albert_cli" in segment or segment[0] == "albert"):
            depth = 2 if words[0] in ("recipe", "data", "bench") else 1
            yield Call(tuple(words[:depth]), tuple(words[depth:]), line)
        segment = []


def problems_of(call: Call) -> Iterator[str]:
    """What is wrong with a command line: its name, its options, the keys that it sets."""
    command: Any = root_command()
    shown = "albert"
    for name in call.name:
        shown = f"{shown} {name}"
        command = command.commands.get(name)
        if command is None:
            yield f"no command {shown}"
            return
    options = {opt for parameter in command.params for opt in parameter.opts} | {"--help", "-h"}
    for place, word in enumerate(call.words):
        before = call.words[place - 1] if place else ""
        if word.startswith("--") and word.split("=")[0] not in options:
            yield f"{shown} has no {word.split('=')[0]}"
        if before == "--set" and word.split("=")[0] not in recipe_keys():
            yield f"no key {word.split('=')[0]}"


def unknown_imports(block: str) -> Iterator[str]:
    """Names that an example imports from the package and that are not there; a syntax error fails by itself."""
    for node in ast.walk(ast.parse(block)):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("albert_cli"):
            continue
        names = [alias.name for alias in node.names]
        if node.module == "albert_cli":
            yield from (name for name in names if name not in albert_cli.__all__)
            continue
        path = ROOT / (node.module or "").replace(".", "/")
        code = path.with_suffix(".py").read_text(encoding="utf-8")
        defined = {getattr(item, "name", None) for item in ast.parse(code).body}
        yield from (f"{node.module}.{name}" for name in names if name not in defined)


def source(name: str) -> Path | None:
    """The file that a page names, relative to the package or to the repository."""
    for folder in (ROOT / "albert_cli", ROOT):
        if (folder / name).is_file():
            return folder / name
    return None


@cache
def root_command() -> Any:
    """The program's own commands."""
    return typer.main.get_command(build_app())


@cache
def recipe_keys() -> frozenset[str]:
    """Keys that a recipe may have, from the page that is generated from the schema."""
    page = (ROOT / "docs" / "reference" / "recipe.md").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))
