"""The skip check counts by reason, accepts fewer and refuses more."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "check_skips.py"


@pytest.fixture(scope="module")
def check_skips() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_skips", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(*reasons: str | None) -> str:
    cases = "".join(
        f'<testcase classname="c" name="t{number}">'
        + (f'<skipped message="{reason}"/>' if reason else "")
        + "</testcase>"
        for number, reason in enumerate(reasons)
    )
    return f"<testsuites><testsuite>{cases}</testsuite></testsuites>"


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        ([None, None], 0),
        (["no GPU here", None], 0),
        (["no GPU here", "no GPU there"], 0),
        (["no GPU here", "no GPU there", "no GPU at all"], 1),
        (["some other reason"], 1),
    ],
)
def test_more_skips_than_agreed_fail(
    check_skips: ModuleType, tmp_path: Path, reasons: list[str | None], code: int
) -> None:
    (tmp_path / "report.xml").write_text(report(*reasons))
    (tmp_path / "budget.txt").write_text("# why\n\n2 no GPU\n")
    assert check_skips.main([str(tmp_path / "report.xml"), str(tmp_path / "budget.txt")]) == code


def test_the_counts_are_printed(check_skips: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.xml").write_text(report(None, "no GPU", None))
    (tmp_path / "budget.txt").write_text("2 no GPU\n")
    check_skips.main([str(tmp_path / "report.xml"), str(tmp_path / "budget.txt")])
    assert capsys.readouterr().out == "3 tests, 1 skipped\n"


def test_our_own_budget_can_be_read(check_skips: ModuleType) -> None:
    assert check_skips.read_budget(check_skips.BUDGET.read_text())
