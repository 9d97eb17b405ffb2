"""How does a model that was converted to ONNX answer in the place of one of ours?

The file takes padded batches, our loops are packed: sequences of about one length are padded and run together, and what
comes out is packed again.

Shapes: B sequences, L tokens of the longest, T tokens of all, M predicted positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from albert_cli.errors import ModelError, UsageError
from albert_cli.models.config import AlbertConfig
from albert_cli.models.layout import PackedLayout
from albert_cli.models.outputs import (
    AlbertForPreTrainingOutput,
    BaseModelOutputWithPooling,
    MaskedLMOutput,
    ModelOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)

FILE = "model.onnx"
_MASKED = {"AlbertForMaskedLM": "logits", "AlbertForPreTraining": "prediction_logits"}
_OUTPUTS: dict[str, Callable[..., ModelOutput]] = {
    "AlbertModel": BaseModelOutputWithPooling,
    "AlbertForPreTraining": AlbertForPreTrainingOutput,
    "AlbertForMaskedLM": MaskedLMOutput,
    "AlbertForSequenceClassification": SequenceClassifierOutput,
    "AlbertForMultipleChoice": MultipleChoiceModelOutput,
    "AlbertForTokenClassification": TokenClassifierOutput,
    "AlbertForQuestionAnswering": QuestionAnsweringModelOutput,
}
# Fields with a row for each token; the others have one for each sequence.
_BY_TOKEN = ("last_hidden_state", "start_logits", "end_logits", "prediction_logits")
# A run has so many tokens at most (a word head makes V numbers of each), and an eighth of them is padding at most.
_PADDED_SHARE = 8
_MOST_TOKENS = 4096
_MOST_TOKENS_WITH_WORDS = 512


class OnnxModel(nn.Module):
    """A converted model, called as ours are: packed inputs and a layout in, fields out.

    Args:
        directory: with ``model.onnx`` and ``config.json``.
        head: name of the class that answers.

    Raises:
        UsageError: onnxruntime is not installed.
        ModelError: another head, or a file that cannot be read.
    """

    def __init__(self, directory: Path, head: str) -> None:
        super().__init__()
        if find_spec("onnxruntime") is None:
            raise UsageError(
                f"{directory} holds an ONNX model, which needs onnxruntime", hint="pip install onnxruntime"
            )
        self.config = AlbertConfig.from_pretrained(directory)
        made_as = (self.config.architectures or ["an unknown class"])[0]
        if made_as != head or head not in _OUTPUTS:
            raise ModelError(
                f"{directory / FILE} was made of {made_as}, this needs {head}",
                hint="convert a model with that head: albert convert MODEL DIR --to onnx",
            )
        self.head = head
        self._session = _session(directory / FILE)
        self._inputs = {item.name for item in self._session.get_inputs()}
        self._fields = [output.name for output in self._session.get_outputs()]
        self._most_tokens = _MOST_TOKENS_WITH_WORDS if head in _MASKED else _MOST_TOKENS

    def set_attention(self, kind: str) -> None:
        """Attention is what the file says, whatever the kind."""

    def forward(
        self,
        input_ids: Tensor,
        *,
        token_type_ids: Tensor,
        layout: PackedLayout,
        masked_positions: Tensor | None = None,
        num_choices: int = 1,
        return_dict: bool = True,
    ) -> ModelOutput:
        """Answer a packed batch.

        Args:
            input_ids: (T,) int64.
            token_type_ids: (T,) int64.
            layout: where each of the B sequences begins and ends.
            masked_positions: (M,) int64, of the packed tokens; None wants all.
            num_choices: of multiple choice: sequences of a question.
            return_dict: as in our models; only True.

        Returns:
            The fields of the head's output.
        """
        found: dict[str, list[Tensor]] = {name: [torch.empty(0)] * layout.batch for name in self._fields}
        lengths = list(layout.lengths)
        ids, types = torch.split(input_ids, lengths), torch.split(token_type_ids, lengths)
        wanted = None if masked_positions is None else _positions_by_sequence(masked_positions, layout)
        for group in _groups(layout.lengths, self._most_tokens):
            said = self._run([ids[place] for place in group], [types[place] for place in group])
            for name, values in said.items():
                for row, place in zip(values, group, strict=True):
                    if self._is_by_token(name):
                        row = row[: layout.lengths[place]]
                        row = row[wanted[place]] if wanted is not None and name == _MASKED.get(self.head) else row
                    found[name][place] = row
        fields = {
            name: torch.cat(rows) if self._is_by_token(name) else torch.stack(rows) for name, rows in found.items()
        }
        if self.head == "AlbertForMultipleChoice":
            fields["logits"] = fields["logits"].view(-1, num_choices)
        return _OUTPUTS[self.head](**fields)

    def _is_by_token(self, name: str) -> bool:
        return name in _BY_TOKEN or (
            name == "logits" and self.head in ("AlbertForMaskedLM", "AlbertForTokenClassification")
        )

    def _run(self, ids: Sequence[Tensor], types: Sequence[Tensor]) -> dict[str, Tensor]:
        """Fields of some sequences, padded: (B, ...) each."""
        padded = {
            "input_ids": nn.utils.rnn.pad_sequence(
                list(ids), batch_first=True, padding_value=self.config.pad_token_id or 0
            ),
            "attention_mask": nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
            "token_type_ids": nn.utils.rnn.pad_sequence(list(types), batch_first=True),
        }
        has_choices = self.head == "AlbertForMultipleChoice"
        feed = {
            name: (values.unsqueeze(0) if has_choices else values).numpy()  # (1, B, L): as choices of one question
            for name, values in padded.items()
            if name in self._inputs
        }
        said = self._session.run(self._fields, feed)
        return {
            name: torch.from_numpy(values[0] if has_choices else values)
            for name, values in zip(self._fields, said, strict=True)
        }


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class
        raise ModelError(
            f"{path} cannot be read: {str(error).splitlines()[0]}", hint="convert the model again"
        ) from None


def _groups(lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Sequences that are run together, longest first, so that little of a run is padding."""
    groups: list[list[int]] = []
    longest = 0
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        is_near = bool(groups) and (longest - lengths[place]) * _PADDED_SHARE <= longest
        if not is_near or (len(groups[-1]) + 1) * longest > most_tokens:
            groups.append([])
            longest = lengths[place]
        groups[-1].append(place)
    return groups


def _positions_by_sequence(positions: Tensor, layout: PackedLayout) -> list[Tensor]:
    """(M,) places among all tokens to places in each sequence; they must come sequence by sequence."""
    ends = layout.starts + torch.tensor(layout.lengths)
    counts = torch.bincount(torch.bucketize(positions, ends, right=True), minlength=layout.batch)
    parts = torch.split(positions, counts.tolist())
    return [part - start for part, start in zip(parts, layout.starts.tolist(), strict=True)]
