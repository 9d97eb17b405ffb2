"""What the wheel holds: the package, its types marker, and every shipped recipe where the code looks for it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from albert_cli import __version__
from albert_cli.recipe.shipped import shipped_names

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_recipes_and_types(wheel: Path) -> None:
    assert wheel.name == f"albert_cli-{__version__}-py3-none-any.whl"
    held = set(zipfile.ZipFile(wheel).namelist())
    assert "albert_cli/py.typed" in held
    assert "albert_cli/stages/serve/page.html" in held
    assert {f"albert_cli/shipped_recipes/{name}.yaml" for name in shipped_names()} <= held
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
