"""Are more tests skipped than we have agreed to? ``python tests/check_skips.py REPORT.xml [BUDGET]``.

The budget (tests/skips.txt) has a line for each reason: the largest number of skips, then words of the reason. Fewer
skips are welcome (a machine may have a GPU, or the folder of reference outputs); a reason without a line is an error.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

BUDGET = Path(__file__).with_name("skips.txt")


def read_budget(text: str) -> dict[str, int]:
    """Return the largest number of skips by words of the reason."""
    lines = [line.strip() for line in text.splitlines()]
    pairs = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return {words: int(number) for number, words in pairs}


def read_skips(report: ElementTree.Element) -> list[tuple[str, str]]:
    """Return (test, reason) of every skipped test of a JUnit report."""
    found = []
    for case in report.iter("testcase"):
        for skipped in case.iter("skipped"):
            found.append((f"{case.get('classname')}::{case.get('name')}", skipped.get("message") or ""))
    return found


def over_budget(skips: list[tuple[str, str]], budget: dict[str, int]) -> list[str]:
    """Return what is wrong, one line each."""
    counts: Counter[str] = Counter()
    wrong = []
    for test, reason in skips:
        words = next((words for words in budget if words in reason), None)
        if words is None:
            wrong.append(f"{test} is skipped for a reason without a budget: {reason}")
        else:
            counts[words] += 1
    wrong += [
        f"{count} tests are skipped for '{words}', {budget[words]} may be"
        for words, count in counts.items()
        if count > budget[words]
    ]
    return wrong


def main(arguments: list[str]) -> int:
    """Compare a report with the budget and print the numbers of tests and skips."""
    report = ElementTree.parse(arguments[0]).getroot()
    budget = read_budget(Path(arguments[1] if len(arguments) > 1 else BUDGET).read_text(encoding="utf-8"))
    skips = read_skips(report)
    tests = sum(1 for _ in report.iter("testcase"))
    print(f"{tests} tests, {len(skips)} skipped")
    wrong = over_budget(skips, budget)
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    if wrong:
        print("try: make the tests run, or change tests/skips.txt and say why in the commit", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
