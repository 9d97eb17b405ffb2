"""How do several processes train one model? They begin with the same weights and add up their gradients.

Each process works through its micro-batches by itself; then all agree whether that went well everywhere, and sum the
gradients tensor by tensor. torch's DistributedDataParallel would send gradients while others are still computed. Here
that gains nothing, since the gradient of a layer which all depths share is complete only at the very end; and a process
that runs out of memory in the middle of it could not let go without leaving the others waiting.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, nn


class Team:
    """The processes of a run, this one among them.

    Args:
        model: on its device; afterwards it holds the weights of the first process everywhere.
        parameters: those that are trained, in the same order on all processes.
        accelerator: who the processes are.
    """

    def __init__(self, model: nn.Module, parameters: Sequence[nn.Parameter], accelerator: Accelerator) -> None:
        self.size = accelerator.num_processes
        self.parameters = parameters
        self._hosts = None
        if self.size == 1:
            return
        if accelerator.device.type != "cpu":
            # What the hosts tell each other must not wait for the devices.
            self._hosts = torch.distributed.new_group(backend="gloo")
        with torch.no_grad():
            for tensor in [*model.parameters(), *model.buffers()]:
                torch.distributed.broadcast(tensor, src=0)

    def sum(self, numbers: Tensor) -> Tensor:
        """Sum a tensor over processes, element by element and in place."""
        if self.size > 1:
            torch.distributed.all_reduce(numbers)
        return numbers

    def sum_gradients(self, *, failed: bool) -> bool:
        """Add up the gradients of all processes, unless one of them has failed.

        Args:
            failed: whether this process could not compute its own.

        Returns:
            Whether any process failed; then no gradient means anything. A parameter without a gradient on some of them
            counts as zero there; one without on all of them stays without.
        """
        if self.size == 1:
            return failed
        there = [parameter.grad is not None for parameter in self.parameters]
        told = torch.tensor([failed, *there], dtype=torch.float32)
        torch.distributed.all_reduce(told, group=self._hosts)
        someone_failed, *present = told.tolist()
        if someone_failed:
            return True
        for parameter, anywhere in zip(self.parameters, present, strict=True):
            if anywhere and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if anywhere:
                torch.distributed.all_reduce(parameter.grad)
        return False
