"""What can every ALBERT do besides computing: load, save, grow its vocabulary, lose heads, count itself?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from albert_cli.errors import ModelError
from albert_cli.models import pretrained
from albert_cli.models.attention import attention_kind
from albert_cli.models.config import AlbertConfig
from albert_cli.models.init import truncated_normal_


class AlbertPreTrainedModel(nn.Module):
    """Base of the bare model and of all heads.

    Args:
        config: kept as ``model.config``; layers never see it.
    """

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__()
        self.config = config

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Run ``forward``. A mapping in the place of the ids (what a tokenizer gives) is its arguments by name."""
        if inputs and isinstance(inputs[0], Mapping):
            return super().__call__(*inputs[1:], **inputs[0], **named)
        return super().__call__(*inputs, **named)

    @classmethod
    def from_pretrained(
        cls,
        name_or_dir: str | Path,
        *,
        dtype: str | torch.dtype | None = None,
        torch_dtype: str | torch.dtype | None = None,
        attn_implementation: str | None = None,
        device_map: str | int | torch.device | Mapping[str, Any] | None = None,
        num_labels: int | None = None,
        revision: str | None = None,
        ignore_mismatched_sizes: bool = False,
        config: AlbertConfig | None = None,
        add_pooling_layer: bool | None = None,
        **config_overrides: Any,
    ) -> Self:
        """Load a model, in evaluation mode.

        Args:
            name_or_dir: directory in the ``hf`` layout, or hub id.
            dtype: type of the weights; None takes the config's, else the file's. float16 without a GPU computes in
                float32 and says so.
            torch_dtype: older name of ``dtype``.
            attn_implementation: eager (= plain), sdpa, plain, varlen or auto; None is auto.
            device_map: device to put the model on; "auto" takes a GPU where there is one.
            num_labels: classes of the head; another number than the file's needs ``ignore_mismatched_sizes``.
            revision: branch, tag or commit on the hub.
            ignore_mismatched_sizes: draw head weights of another shape anew instead of refusing them.
            config: use this config instead of the file's.
            add_pooling_layer: of AlbertModel alone; None means True.
            config_overrides: fields of the config to set otherwise.

        Raises:
            ModelError: no such model, damaged or foreign weights, shapes that do not fit, an unknown field.
        """
        model, report = pretrained.load_pretrained(
            cls,
            name_or_dir,
            dtype=dtype if dtype is not None else torch_dtype,
            revision=revision,
            ignore_mismatched_sizes=ignore_mismatched_sizes,
            config=config,
            add_pooling_layer=add_pooling_layer,
            num_labels=num_labels,
            **config_overrides,
        )
        pretrained.warn_of_new_weights(cls.__name__, report)
        model.set_attention(attention_kind(attn_implementation))
        device = pretrained.device_of_map(device_map)
        return model if device is None else model.to(device)

    @classmethod
    def from_config(cls, config: AlbertConfig) -> Self:
        """A model with new weights."""
        return cls(config)

    def save_pretrained(self, directory: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a directory, which is made if needed."""
        pretrained.save_pretrained(self, directory)

    @property
    def base_model(self) -> Any:
        """The AlbertModel inside, or the model itself."""
        return getattr(self, "albert", self)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return next(self.parameters()).dtype

    def num_parameters(self, only_trainable: bool = False) -> int:
        """Numbers in the weights, shared ones counted once."""
        return sum(part.numel() for part in self.parameters() if part.requires_grad or not only_trainable)

    def set_attention(self, kind: str) -> None:
        """Choose how attention is computed: auto, plain, sdpa or varlen. The numbers stay the same up to rounding.

        Raises:
            ModelError: no such kind.
        """
        self.base_model.attention_kind = attention_kind(kind)

    def compile_layers(self) -> None:
        """Compile what each layer does after attention, once for all depths that share it, for any number of tokens.

        Attention stays as it is: its groups of lengths differ from batch to batch, and each would compile anew.
        """
        for group in self.base_model.encoder.albert_layer_groups:
            for layer in group.albert_layers:
                if "finish" not in vars(layer):
                    layer.finish = torch.compile(layer.finish, dynamic=True)

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: Mapping[str, Any] | None = None) -> None:
        """Compute each layer again in the backward pass instead of keeping what it needs (less memory, more time).

        Args:
            gradient_checkpointing_kwargs: for callers of the ``transformers`` method; only ``use_reentrant=False``.

        Raises:
            ModelError: another option, which would not be followed.
        """
        if dict(gradient_checkpointing_kwargs or {}) not in ({}, {"use_reentrant": False}):
            raise ModelError(f"gradient checkpointing knows no {dict(gradient_checkpointing_kwargs or {})}")
        self.base_model.recompute = True

    def gradient_checkpointing_disable(self) -> None:
        """Keep what the backward pass needs again."""
        self.base_model.recompute = False

    @property
    def is_gradient_checkpointing(self) -> bool:
        """Whether layers are computed again in the backward pass."""
        return bool(self.base_model.recompute)

    def get_input_embeddings(self) -> nn.Embedding:
        """The word table."""
        table: nn.Embedding = self.base_model.embeddings.word_embeddings
        return table

    def set_input_embeddings(self, table: nn.Embedding) -> None:
        """Replace the word table; tied weights follow."""
        self.base_model.embeddings.word_embeddings = table
        self.tie_weights()

    def get_output_embeddings(self) -> nn.Linear | None:
        """The map from E to V of a masked-language head, or None where the model has none."""
        head = getattr(self, "predictions", None)
        return None if head is None else head.decoder

    def set_output_embeddings(self, decoder: nn.Linear) -> None:
        """Replace the map from E to V; its bias becomes the head's.

        Raises:
            ModelError: the model has no masked-language head.
        """
        head = getattr(self, "predictions", None)
        if head is None:
            raise ModelError(f"{type(self).__name__} has no output embeddings")
        head.decoder = decoder
        head.bias = decoder.bias

    def tie_weights(self) -> None:
        """Make a masked-language head share its one bias, and the word table unless the config unties it."""
        head = getattr(self, "predictions", None)
        if head is None:
            return
        head.decoder.bias = head.bias
        if self.config.tie_word_embeddings:
            head.decoder.weight = self.get_input_embeddings().weight
            head.decoder.out_features = head.decoder.weight.shape[0]

    def resize_token_embeddings(
        self,
        new_num_tokens: int | None = None,
        pad_to_multiple_of: int | None = None,
        mean_resizing: bool = True,
    ) -> nn.Embedding:
        """Give the word table (and a masked-language head) another number of rows.

        New rows are drawn around the mean of the old ones, new biases are the mean of the old ones: then no new token
        is far more likely than the old tokens are.

        Args:
            new_num_tokens: V from now on; None keeps it.
            pad_to_multiple_of: round V up to a multiple of this; None does not.
            mean_resizing: False draws new rows around zero, with new biases of zero.

        Returns:
            The word table.

        Raises:
            ModelError: fewer rows than the padding token needs.
        """
        table = self.get_input_embeddings()
        rows = table.num_embeddings if new_num_tokens is None else new_num_tokens
        if pad_to_multiple_of is not None:
            if pad_to_multiple_of < 1:
                raise ModelError(f"cannot resize the word table to a multiple of {pad_to_multiple_of}")
            rows = -(-rows // pad_to_multiple_of) * pad_to_multiple_of
        if rows == table.num_embeddings:
            return table
        pad = self.config.pad_token_id
        if rows < 1 or (pad is not None and rows <= pad):
            raise ModelError(f"cannot resize the word table to {rows} rows", hint="keep at least the special tokens")
        std = self.config.initializer_range
        table.weight = _resized(table.weight, rows, std=std, around_mean=mean_resizing)
        table.num_embeddings = rows
        self.config.vocab_size = rows
        head = getattr(self, "predictions", None)
        if head is not None:
            head.bias = _resized(head.bias, rows, std=0.0, around_mean=mean_resizing)
            if not self.config.tie_word_embeddings:
                head.decoder.weight = _resized(head.decoder.weight, rows, std=std, around_mean=mean_resizing)
                head.decoder.out_features = rows
        self.tie_weights()
        return table

    def prune_heads(self, heads_to_prune: Mapping[int, Sequence[int]]) -> None:
        """Take attention heads out for good.

        Args:
            heads_to_prune: head numbers by shared layer (``group * K + inner``); a shared layer loses them at every
                depth that uses it.

        Raises:
            ModelError: no such layer or head, no head would be left, or layers of several groups share their attention.
        """
        if self.config.parameter_sharing in ("attention", "ffn"):
            raise ModelError(f"heads of a model with parameter_sharing {self.config.parameter_sharing} stay together")
        for layer, heads in heads_to_prune.items():
            attention = self._shared_layer(layer).attention
            attention.prune_heads(heads)
            self.config.pruned_heads[int(layer)] = sorted(attention.pruned_heads)

    def _shared_layer(self, number: int) -> Any:
        group, inner = divmod(int(number), self.config.inner_group_num)
        if not 0 <= group < self.config.num_hidden_groups:
            count = self.config.num_hidden_groups * self.config.inner_group_num
            raise ModelError(f"no layer {number} to prune", hint=f"shared layers are numbered 0 to {count - 1}")
        return self.base_model.encoder.albert_layer_groups[group].albert_layers[inner]

    def _wants_dict(self, return_dict: bool | None) -> bool:
        return self.config.return_dict if return_dict is None else return_dict


@torch.no_grad()
def _resized(old: Tensor, rows: int, *, std: float, around_mean: bool) -> nn.Parameter:
    """The first rows of a table or bias, and new ones around the mean of all old ones, or around zero."""
    values: Tensor = old.new_empty((rows, *old.shape[1:]))
    kept = min(rows, old.shape[0])
    values[:kept] = old[:kept]
    if rows > kept:
        if std:
            truncated_normal_(values[kept:], std=std)
        else:
            values[kept:] = 0
        if around_mean:
            values[kept:] += old.mean(dim=0)
    return nn.Parameter(values, requires_grad=old.requires_grad)
