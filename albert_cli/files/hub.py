"""Where on this disk is the model that a user named: a directory, a run, or an id of the Hugging Face hub?"""

from __future__ import annotations

import os
import re
from pathlib import Path

from albert_cli.errors import ModelError
from albert_cli.files.text import safe_line

SHORT_NAMES = tuple(
    f"albert-{size}-{version}" for version in ("v1", "v2") for size in ("base", "large", "xlarge", "xxlarge")
)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*|[A-Za-z0-9][\w.-]*", re.ASCII)
_CONFIG_AND_TOKENIZER = [
    "config.json",
    "spiece.model",
    "tokenizer.json",
    "vocab.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
]
_SAFETENSORS = ["model*.safetensors", "model.safetensors.index.json"]
_BIN = ["pytorch_model*.bin", "pytorch_model.bin.index.json"]
_NETWORK_TIMEOUT_SECONDS = 5.0
_LOCAL_HINT = "give a local model directory, or fetch the model once while online (it is cached afterwards)"


def resolve_model(name: str | os.PathLike[str], *, revision: str | None = None) -> Path:
    """Find the directory that holds a model's config, weights and tokenizer files.

    Args:
        name: a local directory; a run directory (its ``model/``, or its best checkpoint while it has no final model);
            one of the documentation's short names (``albert-base-v2`` means ``albert/albert-base-v2``); a hub id.
        revision: branch, tag or commit of a hub id; local directories have none.

    Returns:
        A directory on this machine. Which files it must hold is for the reader to check.

    Raises:
        ModelError: nothing of that name here, and the hub does not know it or cannot be reached.
    """
    text = os.fspath(name)
    if not text.strip():
        raise ModelError("the name of the model is empty", hint="give a directory, a run directory or a hub id")
    path = Path(text).expanduser()
    if path.is_dir():
        return _model_in(path)
    if path.exists():
        raise ModelError(f"{safe_line(text)} is a file, not a model directory", hint="name the directory that holds it")
    if _is_path_like(text):
        raise ModelError(
            f"no directory {safe_line(text)}",
            hint="check the path; `ls` its parent, or give a hub id such as albert-base-v2",
        )
    return _fetch(f"albert/{text}" if text in SHORT_NAMES else text, revision)


def is_hub_name(text: str) -> bool:
    """Whether a name that is nothing on this disk means a model of the hub: a short name, or ``owner/name``."""
    if Path(text).expanduser().exists():
        return False
    return text in SHORT_NAMES or ("/" in text and not _is_path_like(text))


def _model_in(directory: Path) -> Path:
    """The model inside a directory: its own files, a run's final model, or a run's best checkpoint so far."""
    if (directory / "config.json").is_file():
        return directory
    for place in ("model", "checkpoints/best/model", "checkpoints/best"):
        inner = directory / place
        if inner.is_dir() and any(inner.iterdir()):
            return inner
    if (directory / "status.json").is_file():
        raise ModelError(
            f"the run {safe_line(str(directory))} has no model yet: neither model/ nor checkpoints/best",
            hint="finish it with --resume, or name another run",
        )
    return directory


def _is_path_like(text: str) -> bool:
    """Whether a name that is not on disk was meant as a path: then asking the hub would only confuse."""
    if not _HUB_ID.fullmatch(text) or text.endswith(
        (".model", ".safetensors", ".bin", ".json", ".pt", ".msgpack", ".h5")
    ):
        return True
    first, separator, _ = text.partition("/")
    return bool(separator) and Path(first).is_dir()


def _fetch(hub_id: str, revision: str | None) -> Path:
    """Download what is missing of a hub model, or take it from the cache."""
    directory = _snapshot(hub_id, revision, _CONFIG_AND_TOKENIZER + _SAFETENSORS)
    if not any(directory.glob("model*.safetensors")):
        directory = _snapshot(hub_id, revision, _CONFIG_AND_TOKENIZER + _BIN)
    if not any((directory / file).is_file() for file in ("config.json", "spiece.model", "tokenizer.json", "vocab.txt")):
        raise ModelError(
            f"{hub_id} holds neither config.json nor a tokenizer",
            hint="check the id; is it a model of the ALBERT family?",
        )
    return directory


def _snapshot(hub_id: str, revision: str | None, patterns: list[str]) -> Path:
    import huggingface_hub
    from huggingface_hub import errors

    shown = hub_id if revision is None else f"{hub_id} at revision {safe_line(revision)}"
    try:
        return Path(
            huggingface_hub.snapshot_download(
                hub_id, revision=revision, allow_patterns=patterns, etag_timeout=_NETWORK_TIMEOUT_SECONDS
            )
        )
    except errors.GatedRepoError as error:
        raise ModelError(
            f"{shown} asks for consent first", hint="accept its terms on the hub, then `hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(f"no {shown} on the hub", hint="check the revision on the model's page") from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"no model {shown} on the hub, or it is private",
            hint=f"check the spelling; documented names: {', '.join(SHORT_NAMES)}",
        ) from error
    except errors.HFValidationError as error:
        raise ModelError(
            f"{safe_line(hub_id)} is not a hub id", hint="an id looks like albert/albert-base-v2"
        ) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise _unreachable(shown) from error
    except OSError as error:
        raise ModelError(f"fetching {shown} failed: {safe_line(str(error))}", hint=_LOCAL_HINT) from error
    except Exception as error:  # the hub client's transport (requests, httpx) has its own families of errors
        raise ModelError(f"fetching {shown} failed: {type(error).__name__}", hint=_LOCAL_HINT) from error


def _unreachable(shown: str) -> ModelError:
    from huggingface_hub import constants

    reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "there is no network"
    return ModelError(f"{shown} is not on this machine and {reason}", hint=_LOCAL_HINT)
