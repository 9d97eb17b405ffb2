"""English text that is on every machine that runs this: the documentation strings of the installed Python packages.

It needs no download and raises no licence question (the text stays where it is), and it is enough to see a small model
learn. The files are parsed, never imported, in an order mixed by a hash of their names, until a package has given its
share. Only prose is kept: examples, code, tables of parameters and markup go.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

from albert_cli.data.prose import prose_of
from albert_cli.data.text_files import Document
from albert_cli.errors import DataError

STANDARD_LIBRARY = "python"
PACKAGES = (
    STANDARD_LIBRARY,
    "numpy",
    "pandas",
    "torch",
    "sympy",
    "networkx",
    "huggingface_hub",
    "datasets",
    "accelerate",
    "pydantic",
    "fsspec",
    "rich",
    "aiohttp",
    "mpmath",
    "click",
    "typer",
    "pyarrow",
    "jinja2",
)
"""The standard library and packages that come with our own dependencies, in the order they are read."""

LABELS = (STANDARD_LIBRARY, "numpy", "pandas", "torch", "sympy", "networkx", "huggingface_hub", "datasets", "pydantic")
"""Libraries that the labelled task tells apart."""

_SKIPPED = {"site-packages", "tests", "test", "testing", "idlelib", "lib2to3", "turtledemo", "pydoc_data", "_vendor"}
_SHORTEST = 60  # characters of prose that make a document
_MOST = (
    750_000  # characters of prose from one package: parsing all of torch and sympy would take a minute on a busy core
)


@dataclass(frozen=True)
class LabelledDoc:
    """A documentation string and the library it belongs to.

    Attributes:
        text: prose, without the names of the library and its module.
        label: name of the library.
        module: dotted name of the module.
    """

    text: str
    label: str
    module: str


@dataclass(frozen=True)
class DocString:
    """The prose of one documentation string: of which library, module and object."""

    text: str
    library: str
    module: str
    name: str


def iter_python_docs(limit: int | None = None) -> Iterator[Document]:
    """Documentation strings as documents, package by package; always the same on one installation.

    Args:
        limit: most documents.

    Yields:
        Texts of at least 60 characters, none twice.
    """
    for doc in islice(iter_doc_strings(PACKAGES), limit):
        yield Document(doc.text, f"{doc.module}:{doc.name}")


def labelled_python_docs(
    *, dev_share: float = 0.2, per_library: int = 1000, limit: int | None = None
) -> tuple[list[LabelledDoc], list[LabelledDoc]]:
    """Which library does a documentation string belong to? A classification task made of what is installed.

    The name of the library, its short forms and the name of the module are taken out of the text. A text that two
    libraries have is left out. Modules are divided by a hash of their name, so that no module is in both parts.

    Args:
        dev_share: share of the modules that go to the second part.
        per_library: most texts of one library, the first ones of a mixed order.
        limit: most texts of each part.

    Returns:
        Train and dev, in a mixed but fixed order.

    Raises:
        DataError: fewer than two of the libraries are installed.
    """
    parts: tuple[list[LabelledDoc], list[LabelledDoc]] = ([], [])
    found = _anonymous_docs()
    for docs in found.values():
        for doc in sorted(docs, key=lambda doc: _mix(doc.text))[:per_library]:
            parts[_mix(doc.module) < dev_share].append(doc)
    if len(found) < 2:
        raise DataError(
            "the task python-docs needs two documented libraries",
            hint="reinstall torch and numpy with their sources",
        )
    train, dev = (sorted(part, key=lambda doc: _mix("order " + doc.text))[:limit] for part in parts)
    return train, dev


def corpus_key() -> list[str]:
    """What the text hangs on: our own rules, and the versions of Python and of the packages."""
    key = [f"rules 1, python {sys.version.split()[0]}"]
    for package in PACKAGES[1:]:
        try:
            key.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return key


def iter_doc_strings(packages: tuple[str, ...]) -> Iterator[DocString]:
    """Prose of the documentation strings of packages, those that are not installed left out; no text twice."""
    seen: set[bytes] = set()
    for package in packages:
        root = _root(package)
        given = 0
        for module, file in _sources(package, root) if root else ():
            if given >= _MOST:
                break
            for doc in _file_docs(package, module, file):
                mark = hashlib.blake2b(doc.text.lower().encode(), digest_size=8).digest()
                if mark not in seen:
                    seen.add(mark)
                    given += len(doc.text)
                    yield doc


@lru_cache(maxsize=32_768)  # parsing is slow, and one process reads the same files for text, task and baseline
def _file_docs(package: str, module: str, file: Path) -> tuple[DocString, ...]:
    texts = ((name, prose_of(raw)) for name, raw in _doc_strings(file))
    return tuple(DocString(text, package, module, name) for name, text in texts if len(text) >= _SHORTEST)


def _root(package: str) -> Path | None:
    if package == STANDARD_LIBRARY:
        return Path(sysconfig.get_paths()["stdlib"])
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _sources(package: str, root: Path) -> list[tuple[str, Path]]:
    """Modules of a package and their files in a mixed order; no tests and no private folders of libraries."""
    sources = []
    for file in root.rglob("*.py"):
        *folders, _ = file.relative_to(root).parts
        private = package != STANDARD_LIBRARY and any(folder.startswith("_") for folder in folders)
        if not private and not _SKIPPED.intersection(folders):
            module = ".".join([package, *file.relative_to(root).with_suffix("").parts]).removesuffix(".__init__")
            sources.append((module, file))
    return sorted(sources, key=lambda source: _mix(source[0]))


def _doc_strings(file: Path) -> Iterator[tuple[str, str]]:
    """Names and documentation strings of a file's module, classes and functions, in the order of the file."""
    try:
        source = file.read_bytes()
    except OSError:
        return
    if b'"""' not in source and b"'''" not in source:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarnings of other people's code
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for name, node in _documented(tree, ""):
        text = ast.get_docstring(node)
        if text and len(text) >= _SHORTEST:
            yield name, text


def _documented(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str
) -> Iterator[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """A node and those inside it that may have a documentation string; functions inside functions are not looked at."""
    yield name or "(module)", node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _documented(child, f"{name}.{child.name}".lstrip("."))


_ALIASES = {
    STANDARD_LIBRARY: ("cpython", "python", "stdlib"),
    "numpy": ("np", "ndarray"),
    "pandas": ("pd",),
    "torch": ("pytorch", "aten"),
    "networkx": ("nx",),
    "huggingface_hub": ("hugging face hub", "hugging face", "huggingface", "hf"),
    "datasets": ("hugging face", "huggingface"),
}


def _anonymous_docs() -> dict[str, list[LabelledDoc]]:
    """Texts of each library without the names that give it away; none twice, none that two libraries share."""
    owner: dict[str, LabelledDoc | None] = {}
    for doc in chain.from_iterable(iter_doc_strings((library,)) for library in LABELS):
        text = _give_away(doc.library, doc.module).sub(" ", doc.text)
        text = re.sub(r"\s+", " ", text).strip()
        if len(text) < _SHORTEST:
            continue
        first = owner.setdefault(text.lower(), LabelledDoc(text, doc.library, doc.module))
        if first is not None and first.label != doc.library:
            owner[text.lower()] = None
    docs: dict[str, list[LabelledDoc]] = {}
    for kept in owner.values():
        if kept is not None:
            docs.setdefault(kept.label, []).append(kept)
    return docs


@lru_cache(maxsize=64)
def _give_away(library: str, module: str) -> re.Pattern[str]:
    """What names a library or a module, also in the middle of dotted names."""
    names = {library, *_ALIASES.get(library, ()), *(part for part in module.split(".") if len(part) > 3)}
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?i)(?<![^\W_])(?:{pattern})(?![^\W_])[.']?")


def _mix(text: str) -> float:
    """A number in [0, 1) that hangs on a text and looks random."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2.0**64
