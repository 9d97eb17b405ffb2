"""On a GPU in half precision: do packed sequences, in one kernel, give what padded ones give?"""

from __future__ import annotations

import pytest
import torch

from albert_cli.models.config import AlbertConfig
from albert_cli.models.heads import AlbertForMaskedLM
from albert_cli.models.layout import PackedLayout

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

LENGTHS = (5, 64, 17, 17, 128, 1)


@pytest.mark.parametrize("kind", ["plain", "sdpa", "varlen", "auto"])
def test_packed_half_precision_is_close_to_padded_full_precision(kind: str) -> None:
    torch.manual_seed(0)
    config = AlbertConfig.named("small", vocab_size=500, initializer_range=0.05)
    model = AlbertForMaskedLM(config).cuda().eval()
    real = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    ids = torch.randint(5, 500, real.shape).masked_fill(~real, 0).cuda()
    real = real.cuda()
    labels = ids.masked_fill(~real, -100)
    model.set_attention("plain")
    exact = model(ids, real.long(), labels=labels)
    exact.loss.backward()
    expected = {name: part.grad.clone() for name, part in model.named_parameters()}
    model.zero_grad()
    model.set_attention(kind)
    with torch.autocast("cuda", torch.bfloat16):
        rough = model(ids[real], layout=PackedLayout.from_lengths(LENGTHS, device="cuda"), labels=labels[real])
    rough.loss.backward()
    torch.testing.assert_close(rough.logits.float(), exact.logits[real], rtol=0, atol=6e-2)
    for name, part in model.named_parameters():
        error = (part.grad - expected[name]).norm() / (expected[name].norm() + 1e-6)
        assert float(error) < 5e-2, name
