"""What surrounds a release: do workflows, container, citation and changelog agree with the project?

None of them is run here. What they call must exist, and the versions that they name must be one.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_commands import ROOT, root_command

from albert_cli import __version__

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def steps(workflow: Path) -> list[dict[str, Any]]:
    """All steps of a workflow's jobs."""
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_workflows_are_there() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "release.yml"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_what_exists_and_may_do_little(workflow: Path) -> None:
    whole = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert whole["permissions"] == {"contents": "read"}
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    scripts = "\n".join(step.get("run", "") for step in steps(workflow))
    assert set(re.findall(r"^make ([a-z0-9-]+)", scripts, re.MULTILINE)) <= set(targets)
    called = set(re.findall(r'(?:bin/albert|"\$albert") ([a-z][a-z-]*)', scripts))
    assert called <= set(root_command().commands)
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@[\w./-]+", step["uses"]) for step in steps(workflow) if "uses" in step)


def test_ci_runs_the_versions_that_the_project_names() -> None:
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    named = [text.rpartition(" ")[2] for text in PROJECT["project"]["classifiers"] if "Python :: 3." in text]
    assert ci["jobs"]["ci"]["strategy"]["matrix"]["python"] == named
    assert any(step.get("run", "").startswith("make ci ") for step in steps(WORKFLOWS[0]))


def test_publishing_needs_no_secret() -> None:
    text = WORKFLOWS[1].read_text(encoding="utf-8")
    publish = yaml.safe_load(text)["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build"
    assert "secrets." not in text


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "albert_cli/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_the_citation_names_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    (paper,) = citation["references"]
    assert paper["url"] == PROJECT["project"]["urls"]["Paper"]
    assert [author["family-names"] for author in paper["authors"]][::5] == ["Lan", "Soricut"]
    assert citation["license"] == PROJECT["project"]["license"]


def test_the_issue_form_asks_for_the_environment() -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8"))
    required = [field for field in form["body"] if field.get("validations", {}).get("required")]
    assert any("`albert env --markdown`" in field["attributes"]["description"] for field in required)
    options = {name for parameter in root_command().commands["env"].params for name in parameter.opts}
    assert "--markdown" in options


def test_the_container_has_no_root_and_what_it_copies_is_there() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER (?!root)\w+$", text, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["albert"\]$', text, re.MULTILINE)
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for word in line.split()]
    shown = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in shown, name
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', text)
    assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])


def test_the_changelog_has_a_place_for_what_comes() -> None:
    heads = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heads[0] == "Unreleased"
