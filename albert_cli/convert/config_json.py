"""How does ``config.json`` travel between the formats that have one, and which class does it name?"""

from __future__ import annotations

from pathlib import Path

from albert_cli.convert.content import Content
from albert_cli.errors import ModelError
from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import MODEL_CLASSES


def read_config(directory: Path) -> AlbertConfig:
    """The configuration beside the weights.

    Raises:
        ModelError: none, or a damaged one.
    """
    if not (directory / "config.json").is_file():
        raise ModelError(f"no config.json in {directory}", hint="put the model's own config beside its weights")
    return AlbertConfig.from_pretrained(directory)


def write_config(content: Content, directory: Path) -> None:
    """Write the configuration with the name of the model class."""
    content.config.changed(architectures=[content.head]).save_pretrained(directory)


def named_head(config: AlbertConfig) -> str | None:
    """Our class that the configuration names, whichever framework's prefix it has; None: it names none of ours."""
    for name in config.architectures or ():
        plain = str(name).removeprefix("TF").removeprefix("Flax")
        if plain in MODEL_CLASSES:
            return plain
    return None
