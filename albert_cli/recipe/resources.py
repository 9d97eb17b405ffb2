"""Which recipe and command does what the documentation of transformers links for ALBERT?

The model's pages (the English one of 4.34, the Korean one of 4.57, the Japanese one of 5) link 31 resources in all:
example scripts, notebooks, chapters of the course and task guides. The table stands here once, for `albert recipe ls
--resources` and for docs/reference/resources.md.
"""

from __future__ import annotations

from dataclasses import dataclass

_SCRIPTS = "https://github.com/huggingface/transformers/tree/main/examples"
_NOTEBOOKS = "https://colab.research.google.com/github/huggingface/notebooks/blob/main/examples"
_COURSE = "https://huggingface.co/course"
_GUIDES = "https://huggingface.co/docs/transformers/tasks"


@dataclass(frozen=True)
class Resource:
    """One resource, and what does the same here.

    Attributes:
        title: what it is: task, kind, framework.
        link: where it is.
        data: what it trains on by default.
        recipe: name of the shipped recipe.
        command: a whole command line.
        note: what differs, empty where nothing does.
    """

    title: str
    link: str
    data: str
    recipe: str
    command: str
    note: str = ""


_FIRST = "the same training, in PyTorch; a model's TensorFlow and Flax weights are read by `albert convert`"
_OWN = "`own/text-classification` takes any other table"
_WORDS = "masks runs of up to three words (`objective.ngram=1` for single ones), as ALBERT was trained"
_SCRATCH = (
    "from scratch in another language; first `albert train-tokenizer tokenizer/english --set data.path=DIR "
    "--set data.language=de --set tokenizer.keep_accents=true --out tok`"
)
_ELI5 = "the guide reads answers of ELI5, which the hub has as lists; write them into a text file or JSONL first"

_MRPC = "albert finetune glue/mrpc"
_NER = "albert finetune ner"
_WIKITEXT = "albert pretrain pretrain/wikitext"
_GERMAN = "albert pretrain pretrain/german --set data.path=DIR --set tokenizer=tok"
_SQUAD = "albert finetune squad"
_SWAG = "albert finetune swag"
_CONLL = "CoNLL-2003"

RESOURCES: tuple[Resource, ...] = (
    Resource(
        "text classification, script, PyTorch",
        f"{_SCRIPTS}/pytorch/text-classification",
        "GLUE",
        "glue/mrpc",
        _MRPC,
        _OWN,
    ),
    Resource(
        "text classification, script, TensorFlow",
        f"{_SCRIPTS}/tensorflow/text-classification",
        "GLUE",
        "glue/mrpc",
        _MRPC,
        _FIRST,
    ),
    Resource(
        "text classification, script, Flax", f"{_SCRIPTS}/flax/text-classification", "GLUE", "glue/mrpc", _MRPC, _FIRST
    ),
    Resource(
        "text classification, notebook, Flax",
        f"{_NOTEBOOKS}/text_classification_flax.ipynb",
        "GLUE",
        "glue/cola",
        "albert finetune glue/cola",
        _FIRST,
    ),
    Resource(
        "text classification, task guide", f"{_GUIDES}/sequence_classification", "IMDB", "imdb", "albert finetune imdb"
    ),
    Resource("token classification, script, PyTorch", f"{_SCRIPTS}/pytorch/token-classification", _CONLL, "ner", _NER),
    Resource(
        "token classification, script, TensorFlow",
        f"{_SCRIPTS}/tensorflow/token-classification",
        _CONLL,
        "ner",
        _NER,
        _FIRST,
    ),
    Resource(
        "token classification, notebook, TensorFlow",
        f"{_NOTEBOOKS}/token_classification-tf.ipynb",
        _CONLL,
        "ner",
        _NER,
        _FIRST,
    ),
    Resource(
        "token classification, script, Flax", f"{_SCRIPTS}/flax/token-classification", _CONLL, "ner", _NER, _FIRST
    ),
    Resource("token classification, course, chapter 7.2", f"{_COURSE}/chapter7/2?fw=pt", _CONLL, "ner", _NER),
    Resource(
        "token classification, task guide",
        f"{_GUIDES}/token_classification",
        "WNUT-17",
        "wnut17",
        "albert finetune wnut17",
    ),
    Resource(
        "masked language modeling, script, PyTorch",
        f"{_SCRIPTS}/pytorch/language-modeling#robertabertdistilbert-and-masked-language-modeling",
        "WikiText-2",
        "pretrain/wikitext",
        _WIKITEXT,
        _WORDS,
    ),
    Resource(
        "masked language modeling, notebook, PyTorch",
        f"{_NOTEBOOKS}/language_modeling.ipynb",
        "WikiText-2",
        "pretrain/wikitext",
        _WIKITEXT,
        _WORDS,
    ),
    Resource(
        "masked language modeling, script, TensorFlow",
        f"{_SCRIPTS}/tensorflow/language-modeling#run_mlmpy",
        "WikiText-2",
        "pretrain/wikitext",
        _WIKITEXT,
        _WORDS,
    ),
    Resource(
        "masked language modeling, notebook, TensorFlow",
        f"{_NOTEBOOKS}/language_modeling-tf.ipynb",
        "WikiText-2",
        "pretrain/wikitext",
        _WIKITEXT,
        _WORDS,
    ),
    Resource(
        "masked language modeling, script, Flax",
        f"{_SCRIPTS}/flax/language-modeling#masked-language-modeling",
        "OSCAR",
        "pretrain/german",
        _GERMAN,
        _SCRATCH,
    ),
    Resource(
        "masked language modeling, notebook, Flax",
        f"{_NOTEBOOKS}/masked_language_modeling_flax.ipynb",
        "OSCAR",
        "pretrain/german",
        _GERMAN,
        _SCRATCH,
    ),
    Resource(
        "masked language modeling, course, chapter 7.3",
        f"{_COURSE}/chapter7/3?fw=pt",
        "IMDB",
        "pretrain/wikitext",
        "albert pretrain pretrain/wikitext --set data.dataset=stanfordnlp/imdb --set data.split=unsupervised",
        _WORDS,
    ),
    Resource(
        "masked language modeling, task guide",
        f"{_GUIDES}/masked_language_modeling",
        "ELI5",
        "pretrain/domain-adaptation",
        "albert pretrain pretrain/domain-adaptation --set data.path=answers.jsonl",
        _ELI5,
    ),
    Resource(
        "question answering, script, PyTorch",
        f"{_SCRIPTS}/pytorch/question-answering",
        "SQuAD v1.1",
        "squad",
        _SQUAD,
        "`squad2` for version 2",
    ),
    Resource(
        "question answering, notebook, PyTorch", f"{_NOTEBOOKS}/question_answering.ipynb", "SQuAD v1.1", "squad", _SQUAD
    ),
    Resource(
        "question answering, script, TensorFlow",
        f"{_SCRIPTS}/tensorflow/question-answering",
        "SQuAD v1.1",
        "squad",
        _SQUAD,
        _FIRST,
    ),
    Resource(
        "question answering, notebook, TensorFlow",
        f"{_NOTEBOOKS}/question_answering-tf.ipynb",
        "SQuAD v1.1",
        "squad",
        _SQUAD,
        _FIRST,
    ),
    Resource(
        "question answering, script, Flax", f"{_SCRIPTS}/flax/question-answering", "SQuAD v1.1", "squad", _SQUAD, _FIRST
    ),
    Resource("question answering, course, chapter 7.7", f"{_COURSE}/chapter7/7?fw=pt", "SQuAD v1.1", "squad", _SQUAD),
    Resource("question answering, task guide", f"{_GUIDES}/question_answering", "SQuAD v1.1", "squad", _SQUAD),
    Resource("multiple choice, script, PyTorch", f"{_SCRIPTS}/pytorch/multiple-choice", "SWAG", "swag", _SWAG),
    Resource("multiple choice, notebook, PyTorch", f"{_NOTEBOOKS}/multiple_choice.ipynb", "SWAG", "swag", _SWAG),
    Resource(
        "multiple choice, script, TensorFlow", f"{_SCRIPTS}/tensorflow/multiple-choice", "SWAG", "swag", _SWAG, _FIRST
    ),
    Resource(
        "multiple choice, notebook, TensorFlow", f"{_NOTEBOOKS}/multiple_choice-tf.ipynb", "SWAG", "swag", _SWAG, _FIRST
    ),
    Resource("multiple choice, task guide", f"{_GUIDES}/multiple_choice", "SWAG", "swag", _SWAG),
)

_INTRODUCTION = """\
# What the documentation of transformers links

Written by `make docs` from the table that `albert recipe ls --resources` prints; change it there.

The pages on ALBERT in the documentation of transformers link {number} resources: scripts, notebooks, chapters of the
course and task guides. Each trains one of the model's heads on public data. Here is the command that does the same.
Tests run the recipes on local files of the same formats; with released models on whole data sets nothing was measured
yet, see [results](../results.md). For a machine without network: `albert data fetch RECIPE` on one that has it, then
`--set data.path=DIR`.

| resource | its data | recipe | command | remark |
|---|---|---|---|---|
"""


def resources_page() -> str:
    """Return the page of docs/reference as Markdown."""
    rows = [
        f"| [{one.title}]({one.link}) | {one.data} | `{one.recipe}` | `{one.command}` | {one.note} |\n"
        for one in RESOURCES
    ]
    return _INTRODUCTION.format(number=len(RESOURCES)) + "".join(rows)
