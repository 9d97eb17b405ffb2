"""Who imports whom: layers by reading the source, and what `albert --help` loads by running it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "albert_cli"
LAYERS = [  # high to low; imports go down only, and rooms of one layer do not know each other
    {"cli"},
    {"stages"},
    {"training", "inference", "convert", "report"},
    {"data"},
    {"models", "tokenization", "recipe", "metrics"},
    {"files"},
    {"errors"},
]
# Packages that only some rooms may import, wherever in the file.
ONLY_IN = {
    "accelerate": ("training/", "stages/"),
    "datasets": ("data/", "metrics/adapters.py"),
    "evaluate": ("metrics/adapters.py",),
    "torch": (
        "models/",
        "tokenization/",
        "data/",
        "training/",
        "inference/",
        "convert/",
        "stages/",
        "report/environment.py",
    ),
    "transformers": (),
    "click": (),
    "typer": ("cli/",),
    "yaml": ("recipe/",),
    "pydantic": ("recipe/",),
    "rich": ("report/", "cli/"),
    "starlette": ("stages/serve/",),
    "uvicorn": ("stages/serve/",),
    "prometheus_client": ("stages/serve/",),
}
# Rooms that must stay light when they are imported: these packages only inside functions there.
HEAVY = {
    "torch",
    "datasets",
    "accelerate",
    "evaluate",
    "numpy",
    "pydantic",
    "yaml",
    "rich",
    "sentencepiece",
    "safetensors",
}
INSIDE_FUNCTIONS_ONLY = {"cli/": HEAVY, "report/": {"torch", "rich", "matplotlib"}, "": {"datasets", "evaluate"}}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    """Return the room of a dotted module: ``albert_cli.data.tasks.glue`` is in ``data``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def layer(name: str) -> int | None:
    return next((number for number, rooms in enumerate(LAYERS) if name in rooms), None)


def imports(
    tree: ast.AST, *, in_function: bool = False, for_types: bool = False
) -> Iterator[tuple[str, bool, bool, int]]:
    """Yield (module, inside a function, for type checkers only, line) of every import."""
    for node in ast.iter_child_nodes(tree):
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing_only = for_types or (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, inside, typing_only, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            base = node.module
            if base == "albert_cli":  # `from albert_cli import x`: x may be a room
                for alias in node.names:
                    yield f"{base}.{alias.name}", inside, typing_only, node.lineno
            else:
                yield base, inside, typing_only, node.lineno
        else:
            yield from imports(node, in_function=inside, for_types=typing_only)


def found_imports(path: Path) -> list[tuple[str, bool, bool, int]]:
    return list(imports(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_down_and_stay_in_their_rooms(path: Path) -> None:
    name = path.relative_to(PACKAGE).as_posix()
    own_room = name.split("/")[0].removesuffix(".py")
    own = layer(own_room)
    wrong: list[str] = []
    for module, inside, typing_only, line in found_imports(path):
        top = module.split(".")[0]
        if top == "albert_cli":
            other = layer(room(module))
            if own is not None and other is not None and room(module) != own_room and other <= own:
                wrong.append(f"{name}:{line} {own_room} imports {room(module)}")
            continue
        allowed = ONLY_IN.get(top)
        if allowed is not None and not typing_only and not name.startswith(allowed or ("\0",)):
            wrong.append(f"{name}:{line} imports {top}")
        for prefix, heavy in INSIDE_FUNCTIONS_ONLY.items():
            if name.startswith(prefix) and top in heavy and not inside and not typing_only:
                wrong.append(f"{name}:{line} imports {top} at the top")
    assert wrong == []


def test_no_relative_imports() -> None:
    relative = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_the_layer_test_sees_an_upward_import() -> None:
    tree = ast.parse("def f():\n    from albert_cli.stages import finetune\nfrom albert_cli import cli\nimport torch")
    assert list(imports(tree)) == [
        ("albert_cli.stages", True, False, 2),
        ("albert_cli.cli", False, False, 3),
        ("torch", False, False, 4),
    ]


LOADED = "import sys; from albert_cli.cli.app import main; main(sys.argv[1:]); print('LOADED', *sys.modules)"
NEVER_FOR_HELP = {
    "starlette",
    "uvicorn",
    "torch",
    "datasets",
    "accelerate",
    "evaluate",
    "numpy",
    "sentencepiece",
    "safetensors",
    "transformers",
    "yaml",
    "albert_cli.recipe.schema",
    "albert_cli.recipe.sections",
}
NEVER_FOR_RECIPES = NEVER_FOR_HELP - {"yaml", "albert_cli.recipe.schema", "albert_cli.recipe.sections"}


def loaded_by(*arguments: str) -> set[str]:
    """Run a command in a fresh interpreter and return the modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["finetune", "--help"],
        ["run", "--help"],
        ["serve", "--help"],
        ["recipe", "--help"],
        ["env", "--help"],
        ["nonsense"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_help_and_wrong_usage_load_nothing_heavy(arguments: list[str]) -> None:
    loaded = loaded_by(*arguments)
    assert "typer" in loaded
    assert loaded & NEVER_FOR_HELP == set()


@pytest.mark.parametrize(
    "arguments", [["recipe", "ls"], ["recipe", "check", "glue/sst2"], ["finetune", "no/such"]], ids=" ".join
)
def test_recipes_need_no_torch(arguments: list[str]) -> None:
    assert loaded_by(*arguments) & NEVER_FOR_RECIPES == set()


def test_the_package_itself_loads_nothing_heavy() -> None:
    command = [sys.executable, "-c", "import albert_cli, sys; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.split()) & (NEVER_FOR_HELP | {"typer", "pydantic"}) == set()
