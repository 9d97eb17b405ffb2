"""Which blocks do layers with weights of their own still have in common (paper table 4)?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

ATTENTION = ("attention",)
FEED_FORWARD = ("ffn", "ffn_output", "full_layer_layer_norm")


def share_blocks(layers: Sequence[Any], what: str) -> None:
    """Let all layers use the first one's attention or feed-forward block, its norm included.

    Args:
        layers: `AlbertLayer` of each depth.
        what: a config's ``parameter_sharing``; "all" and "none" leave the layers as they are, groups say the rest.
    """
    parts = {"attention": ATTENTION, "ffn": FEED_FORWARD}.get(what, ())
    for layer in layers[1:]:
        for name in parts:
            setattr(layer, name, getattr(layers[0], name))
