"""The built-in corpus: prose out of documentation strings, and the task of telling libraries apart."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from albert_cli.data import python_docs
from albert_cli.data.corpus import Corpus
from albert_cli.data.prose import prose_of
from albert_cli.data.python_docs import LabelledDoc, iter_doc_strings, labelled_python_docs
from albert_cli.errors import DataError
from albert_cli.metrics.baselines import bag_of_words_accuracy, majority_accuracy

NUMPY_STYLE = """Return the thing that was asked for, one by one.

Further text about :func:`~pkg.mod.other` and ``code``, see
`the page <https://example.org/page>`_ for *more* words.

Parameters
----------
x : array
    The array of things to be returned here.

Notes
-----
The method is the one of Gauss, who used it for the orbit of Ceres.

Examples
--------
>>> f(1)
1
The result is not shown here at all.
"""

GOOGLE_STYLE = """Open a file and read the lines of it.

Some text before the code that is shown::

    with open(name) as file:
        read the file and do something with it

More text after the code that was shown.

Args:
    name (str): the name of the file to open.

Example:

    >>> open("x")
    some output that is no prose at all

.. note:: A directive that is left out here

    and all that belongs to it as well.

```python
a line of code between two fences
```

* the first item of a list of words
* the second item of a list of words

:param name: the name of the file again
"""


def test_prose_of_a_numpy_style_string() -> None:
    assert prose_of(NUMPY_STYLE).split("\n") == [
        "Return the thing that was asked for, one by one.",
        "Further text about pkg.mod.other and code, see the page for more words.",
        "The method is the one of Gauss, who used it for the orbit of Ceres.",
    ]


def test_prose_of_a_google_style_string() -> None:
    assert prose_of(GOOGLE_STYLE).split("\n") == [
        "Open a file and read the lines of it.",
        "Some text before the code that is shown:",
        "More text after the code that was shown.",
        "the first item of a list of words",
        "the second item of a list of words",
    ]


@pytest.mark.parametrize("text", ["", "x = 1 + 2 * (3 - y[4]) / z ** 7", "[1, 2, 3]\n[4, 5, 6]", "Too short."])
def test_what_does_not_read_like_english_is_left_out(text: str) -> None:
    assert prose_of(text) == ""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two made-up libraries in the place of the installed ones."""
    for name in ("alpha", "beta"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "_private").mkdir()
        (tmp_path / name / "tests").mkdir()
    monkeypatch.setattr(python_docs, "_root", lambda package: root if (root := tmp_path / package).is_dir() else None)
    monkeypatch.setattr(python_docs, "LABELS", ("alpha", "beta", "missing"))
    return tmp_path


def write_module(path: Path, *texts: str) -> None:
    functions = "\n".join(f'def f{number}():\n    """{text}"""\n' for number, text in enumerate(texts))
    path.write_text(f'"""About {path.stem}, a module that has a text of its own, long enough to count."""\n{functions}')


def test_strings_are_found_without_importing(library: Path) -> None:
    text = "Count the pieces that are in the box and tell how many there are of each kind."
    write_module(library / "alpha" / "inner" / "mod.py", text, text, "Too short to count.")
    (library / "alpha" / "boom.py").write_text(
        '"""A module that must not be run, as it raises an error at once."""\n1 / 0'
    )
    (library / "alpha" / "broken.py").write_text('"""Not Python at all, whatever its name may say about it."""\ndef (')
    for hidden in ("_private", "tests"):
        write_module(library / "alpha" / hidden / "mod.py", "A text in a folder that is not looked into at all, ever.")
    found = list(iter_doc_strings(("alpha", "missing")))
    assert {(doc.module, doc.name) for doc in found} == {
        ("alpha.inner.mod", "(module)"),
        ("alpha.inner.mod", "f0"),  # the second time the text is left out
        ("alpha.boom", "(module)"),
    }
    assert found == list(iter_doc_strings(("alpha",)))


def test_a_package_gives_no_more_than_its_share(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        write_module(
            library / "alpha" / f"m{number}.py", f"Number {number} of the texts that are all nearly alike here."
        )
    monkeypatch.setattr(python_docs, "_MOST", 400)
    assert 400 <= sum(len(doc.text) for doc in iter_doc_strings(("alpha",))) < 700


def test_labelled_texts_do_not_name_their_library(library: Path) -> None:
    shared = "A text that both of the libraries have, so that nobody can tell them apart by it."
    for name, word in (("alpha", "boxes"), ("beta", "rivers")):
        for number in range(30):
            write_module(
                library / name / f"module{number}.py",
                f"With {name}.module{number} or {name.title()} one counts {word} number {number}, "
                "all of them, and each of them in turn.",
                shared,
            )
    train, dev = labelled_python_docs(dev_share=0.3)
    both = train + dev
    assert {doc.label for doc in train} == {doc.label for doc in dev} == {"alpha", "beta"}
    assert not {doc.module for doc in train} & {doc.module for doc in dev}
    assert not any(re.search(r"alpha|beta|module\d|both of the libraries", doc.text, re.IGNORECASE) for doc in both)
    assert len({doc.text.lower() for doc in both if "counts" in doc.text}) == 60
    assert labelled_python_docs(dev_share=0.3) == (train, dev)
    counts = Counter(doc.label for part in labelled_python_docs(per_library=10) for doc in part)
    assert counts == {"alpha": 10, "beta": 10}
    assert [len(part) for part in labelled_python_docs(limit=5)] == [5, 5]


def test_one_library_is_no_task(library: Path) -> None:
    write_module(library / "alpha" / "m.py", "Only one of the libraries is here, so there is nothing to tell.")
    with pytest.raises(DataError, match="two documented libraries"):
        labelled_python_docs()


def test_the_corpus_is_english_and_always_the_same() -> None:
    first, again = (list(islice(Corpus(dataset="python-docs").read(), 300)) for _ in range(2))
    assert first == again
    assert len({document.text for document in first}) == 300
    text = " ".join(document.text for document in first).lower()
    assert text.count(" the ") > len(text) / 200
    assert ">>>" not in text
    assert "----" not in text
    assert Corpus(dataset="python-docs").key() == Corpus(dataset="python-docs").key()


def test_words_tell_installed_libraries_apart_but_not_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_docs, "LABELS", ("click", "rich", "huggingface_hub"))
    train, dev = labelled_python_docs(per_library=150)

    def columns(docs: list[LabelledDoc]) -> tuple[list[str], list[str]]:
        return [doc.text for doc in docs], [doc.label for doc in docs]

    accuracy = bag_of_words_accuracy(*columns(train), *columns(dev))
    assert accuracy > majority_accuracy(columns(train)[1], columns(dev)[1]) + 0.1
    assert accuracy < 0.99
