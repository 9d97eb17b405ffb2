"""Do the pages tell the truth: links that lead somewhere, commands, options, keys, recipes and files that exist?"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_commands import FENCE, PAGES, ROOT, calls, mentions, problems_of, root_command

import albert_cli
from albert_cli.recipe.shipped import shipped_names

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_FILE_AND_NAME = re.compile(r"`([\w/]+\.py)` `([\w.]+)`")
_PLACEHOLDER = re.compile(r"\b(TODO|FIXME|XXX|TBD|N\.NN?)\b|\?\?\?|lorem ipsum", re.IGNORECASE)
_MACHINE_PATH = re.compile(r"(?<![\w.])(/home/|/root/|/tmp/|/Users/|/mnt/|[A-Z]:\\)")
# Folders of recipes/, from which names of shipped recipes begin.
_FOLDERS = tuple(sorted({name.split("/")[0] for name in shipped_names() if "/" in name}))
_RECIPE = re.compile(rf"({'|'.join(_FOLDERS)})/[\w-]+")


@pytest.fixture(params=PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def page(request: pytest.FixtureRequest) -> Path:
    """Each page in turn."""
    return Path(request.param)


def test_relative_links_lead_to_a_file(page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = [target for target in _LINK.findall(prose) if "://" not in target and not target.startswith("#")]
    lost = [target for target in targets if not (page.parent / target.split("#")[0]).exists()]
    assert not lost


def test_links_stay_inside_the_repository(page: Path) -> None:
    targets = _LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    local = [target for target in targets if "://" not in target and not target.startswith("#")]
    assert all((page.parent / target.split("#")[0]).resolve().is_relative_to(ROOT) for target in local)


def test_commands_and_options_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    problems = [problem for call in [*calls(text), *mentions(text)] for problem in problems_of(call)]
    assert not problems


def test_named_recipes_are_shipped(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    in_prose = _CODE.findall(FENCE.sub("", text))
    in_commands = [word for call in calls(text) for word in call.words]
    named = {word for word in [*in_prose, *in_commands] if _RECIPE.fullmatch(word)}
    assert named <= set(shipped_names())


def test_named_source_files_exist_and_hold_the_name_beside_them(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    prose = FENCE.sub("", text)
    files = {word for word in _CODE.findall(prose) if re.fullmatch(r"[\w.]+(/[\w.]+)+\.py", word)}
    assert [name for name in sorted(files) if source(name) is None] == []
    strangers = [
        f"{file} has no {name}"
        for file, name in _FILE_AND_NAME.findall(prose)
        if (found := source(file)) and name.split(".")[-1] not in found.read_text(encoding="utf-8")
    ]
    assert strangers == []


def test_python_examples_parse_and_import_what_exists(page: Path) -> None:
    for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
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
        links = _LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
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
