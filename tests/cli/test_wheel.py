"""What the wheel holds: the package, its types marker, and every shipped recipe where the code looks for it.

And the sdist: enough to make the same wheel and to run the tests.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from albert_cli import __version__
from albert_cli.recipe.shipped import shipped_names

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("dist"))


def build(kind: str, source: Path, folder: Path) -> Path:
    """Build a wheel or an sdist without a network."""
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)
    (made,) = (path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))
    return made


def test_the_wheel_holds_recipes_and_types(wheel: Path) -> None:
    assert wheel.name == f"albert_cli-{__version__}-py3-none-any.whl"
    held = set(zipfile.ZipFile(wheel).namelist())
    assert "albert_cli/py.typed" in held
    assert "albert_cli/stages/serve/page.html" in held
    assert "albert_cli/shipped_recipes/recipe.schema.json" in held
    assert {f"albert_cli/shipped_recipes/{name}.yaml" for name in shipped_names()} <= held
    assert every_file_of(ROOT / "albert_cli") <= {name.removeprefix("albert_cli/") for name in held}
    assert not any(name.startswith(("tests/", "recipes/")) for name in held)


def test_recipes_are_found_in_the_wheel_and_outside_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    work = tmp_path / "work"
    work.mkdir()
    code = "from albert_cli.cli.app import main; import sys; sys.exit(main(sys.argv[1:]))"
    for name in ("glue/sst2", "recipes/glue/sst2.yaml"):
        done = subprocess.run(
            [sys.executable, "-c", code, "recipe", "show", name, "--origin"],
            cwd=work,
            env={"PYTHONPATH": str(site), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert "recipes/glue/sst2.yaml:" in done.stdout


def test_the_sdist_makes_the_same_wheel_and_holds_the_tests(wheel: Path, tmp_path: Path) -> None:
    sdist = build("sdist", ROOT, tmp_path)
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / f"albert_cli-{__version__}"
    for name in (
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CITATION.cff",
        "Containerfile",
        "Makefile",
        "constraints.txt",
    ):
        assert (source / name).is_file(), name
    assert (source / "tests" / "cli" / "test_wheel.py").is_file()
    assert (source / "docs" / "tutorial" / "first_model.md").is_file()
    (tmp_path / "again").mkdir()
    again = build("wheel", source, tmp_path / "again")
    assert contents(again) == contents(wheel)


def every_file_of(package: Path) -> set[str]:
    """Files of the source tree's package, by their path in it."""
    files = (path.relative_to(package) for path in package.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if "__pycache__" not in path.parts}


def contents(wheel: Path) -> dict[str, bytes]:
    """What every file of a wheel holds."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
