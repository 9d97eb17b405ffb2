"""Does the beam head compute what XLNet's head of the installed transformers computes on the same weights?

ALBERT took the head from there: same parts, same names, the first token in the place of XLNet's last one.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from albert_cli.models.heads_beam import AnswerClass, EndLogits, StartLogits

xlnet = pytest.importorskip("transformers.models.xlnet.modeling_xlnet")

WIDTH = 24


def pair(kind: str, **arguments: Any) -> tuple[Any, Any]:
    """Their part and ours, with the same weights."""
    torch.manual_seed(7)
    theirs = getattr(xlnet, f"XLNetPooler{kind}")(SimpleNamespace(hidden_size=WIDTH, layer_norm_eps=1e-12))
    for part in theirs.parameters():
        torch.nn.init.normal_(part, std=0.3)
    ours = {"StartLogits": StartLogits, "EndLogits": EndLogits, "AnswerClass": AnswerClass}[kind](WIDTH, **arguments)
    ours.load_state_dict(theirs.state_dict())
    return theirs.eval(), ours.eval()


def tokens() -> Tensor:
    return torch.randn(3, 10, WIDTH, generator=torch.Generator().manual_seed(1))


def test_starts() -> None:
    theirs, ours = pair("StartLogits")
    torch.testing.assert_close(ours(tokens()), theirs(tokens()))


def test_ends_of_a_given_start_and_of_several() -> None:
    theirs, ours = pair("EndLogits", eps=1e-12)
    hidden, given = tokens(), torch.tensor([[2, 4], [0, 9], [5, 5]])
    starts = hidden.gather(1, given[..., None].expand(-1, -1, WIDTH))  # (B, S, H)
    for place in range(2):
        expected = theirs(hidden, start_positions=given[:, place])
        torch.testing.assert_close(ours(hidden, starts)[:, place], expected, atol=1e-5, rtol=1e-5)


def test_answerability_of_the_first_token() -> None:
    theirs, ours = pair("AnswerClass", dropout=0.1)
    hidden = tokens()
    log_probs = torch.randn(3, 10, generator=torch.Generator().manual_seed(2)).log_softmax(-1)
    expected_start = torch.einsum("blh,bl->bh", hidden, log_probs.exp())
    expected = theirs(hidden, start_states=expected_start, cls_index=torch.zeros(3, dtype=torch.int64))
    torch.testing.assert_close(ours(hidden, log_probs), expected)
