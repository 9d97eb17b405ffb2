"""`albert train-tokenizer`: text in, tokenizer directory out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from albert_cli.data.corpus import Corpus
from albert_cli.errors import UsageError
from albert_cli.files.atomic import write_file
from albert_cli.recipe.load import LoadedRecipe
from albert_cli.recipe.render import dump_resolved
from albert_cli.recipe.requests import RunOptions
from albert_cli.recipe.schema import TokenizerRecipe
from albert_cli.report.console import Talk, result_json
from albert_cli.report.progress import Progress
from albert_cli.report.run_dir import RunDir
from albert_cli.stages.corpus_source import corpus_of
from albert_cli.tokenization.train import DEFAULT_THREADS, TokenizerReport, TrainingProgress, train_tokenizer


def run(loaded: LoadedRecipe, options: RunOptions) -> int:
    """Train a tokenizer as a recipe says.

    Returns:
        Exit code 0.

    Raises:
        AlbertError: with the exit code that its kind has.
    """
    with Talk(quiet=options.quiet) as talk:
        result = execute(loaded, options, talk)
        if options.json:
            result_json(result)
    return 0


def execute(loaded: LoadedRecipe, options: RunOptions, talk: Talk) -> dict[str, Any]:
    """Do the work of `run`; the result is what ``--json`` prints."""
    recipe = loaded.recipe
    assert isinstance(recipe, TokenizerRecipe)
    corpus = corpus_of(recipe.data)
    if options.dry_run:
        _check_out(recipe.out)
        documents = sum(1 for _ in corpus.read())
        talk.say(f"{documents:,} documents; would train {recipe.tokenizer.vocab_size:,} pieces")
        return {"command": "train-tokenizer", "dry_run": True, "documents": documents}
    # The directory is made free here and filled as a whole at the end.
    out = RunDir.create(Path(recipe.out) if recipe.out else None, loaded.name).path
    with _gone_if_empty(out):
        report = _train(recipe, corpus, out, talk)
    write_file(out / "recipe.yaml", dump_resolved(loaded))
    talk.say(
        f"tokenizer: {report.pieces:,} pieces from {report.lines:,} lines, {report.characters:,} characters; "
        f"{report.long_lines_split:,} long lines split, {report.dropped_lines:,} dropped"
    )
    talk.say(f"tokenizer directory: {out}")
    facts = {name: value for name, value in asdict(report).items() if name != "directory"}
    return {"command": "train-tokenizer", "tokenizer": str(out), **facts}


def _train(recipe: TokenizerRecipe, corpus: Corpus, out: Path, talk: Talk) -> TokenizerReport:
    settings = recipe.tokenizer
    with Progress(talk, total=None, unit="line") as progress:

        def show(state: TrainingProgress) -> None:
            shown = {"candidate pieces": float(state.pieces)} if state.pieces is not None else None
            progress.update(state.lines, shown)

        return train_tokenizer(
            lines_of(corpus),
            out,
            vocab_size=settings.vocab_size,
            do_lower_case=settings.do_lower_case,
            keep_accents=settings.keep_accents,
            algorithm=settings.algorithm,
            character_coverage=settings.character_coverage,
            input_sentence_size=settings.input_sentence_size,
            model_max_length=settings.model_max_length,
            threads=recipe.runtime.threads or DEFAULT_THREADS,
            seed=recipe.seed,
            on_progress=show,
        )


def lines_of(corpus: Corpus) -> Iterator[str]:
    """Lines of every document, blank ones left out."""
    for document in corpus.read():
        for line in document.text.split("\n"):
            if line.strip():
                yield line


@contextmanager
def _gone_if_empty(out: Path) -> Iterator[None]:
    """Take the directory away again if what fills it fails before anything is in it."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            out.rmdir()
        raise


def _check_out(out: str | None) -> None:
    if out is not None and Path(out).is_dir() and any(Path(out).iterdir()):
        raise UsageError(f"{out} already holds files, and nothing is written over", hint="choose another --out")
