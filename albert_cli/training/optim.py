"""How does a gradient become an update? The two optimisers of the original ALBERT code.

Both share one update vector u = m / (sqrt(v) + 1e-6) + decay * w, with m and v the running means of the gradient and
its square, *without* bias correction: the first step is 0.1 / sqrt(0.001) = 3.16 times the one of Adam, which the
warm-up hides. AdamW moves by -lr * u; LAMB by -lr * (|w| / |u|) * u, tensor by tensor (LAMB paper, algorithm 2).

`torch.optim.AdamW` is not the same optimiser. Its only difference is the bias correction, and that fades with the step,
so `AlbertAdamW` gives large tensors to torch's fused kernel with a step so large that the correction is exactly 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, cast, overload

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.optimizer import Optimizer, ParamsT

# 0.999 ** (2 ** 30) is 0 in every float type, so 1 - beta ** step is exactly 1.
_STEP_WITHOUT_CORRECTION = float(2**30)

# On CPU, elements of a tensor from which the fused kernel saves time; below, the plain form rounds once less.
_FUSED_FROM = 2**16


def parameter_groups(model: nn.Module, weight_decay: float = 0.01) -> list[dict[str, Any]]:
    """Split the trainable parameters as the original does.

    Biases and LayerNorm parameters get neither weight decay nor layer-wise adaptation; everything else, all embedding
    tables included, gets both. The split goes by module type, so it holds for any naming of weights. Tied parameters
    appear once.

    Args:
        model: any module.
        weight_decay: rate of the decayed group.

    Returns:
        One or two groups for an optimiser's constructor, with keys ``params``, ``weight_decay`` and ``adapt``.
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    seen: set[int] = set()
    for module in model.modules():
        is_norm = isinstance(module, nn.LayerNorm) or "LayerNorm" in type(module).__name__
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen or not parameter.requires_grad:
                continue
            seen.add(id(parameter))
            (plain if is_norm or name.endswith("bias") else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay, "adapt": True},
        {"params": plain, "weight_decay": 0.0, "adapt": False},
    ]
    return [group for group in groups if group["params"]]


class _OriginalOptimizer(Optimizer):
    """What the two share: state in float32, gradients collected group by group."""

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        _check_settings(defaults)
        super().__init__(params, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss anew and returns it; rarely needed.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameters in _alike(self._with_gradient(group), self.state):
                self._update(group, parameters)
        return loss

    def _with_gradient(self, group: dict[str, Any]) -> list[Tensor]:
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        for parameter in parameters:
            if parameter.grad.is_sparse:
                raise RuntimeError(f"{type(self).__name__} takes dense gradients only")
            state = self.state[parameter]
            if not state:
                state["step"] = 0
                state["exp_avg"] = torch.zeros_like(parameter, dtype=torch.float32)
                state["exp_avg_sq"] = torch.zeros_like(parameter, dtype=torch.float32)
            state["step"] += 1
        return parameters

    def _moments(self, parameters: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        states = [self.state[parameter] for parameter in parameters]
        return [state["exp_avg"] for state in states], [state["exp_avg_sq"] for state in states]

    def _update(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        raise NotImplementedError

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state; the moments stay float32 whatever the type of the parameters.

        Args:
            state_dict: what ``state_dict()`` gave.
        """
        super().load_state_dict(state_dict)
        saved = state_dict["state"]
        numbers = [number for group in state_dict["param_groups"] for number in group["params"]]
        ours = [parameter for group in self.param_groups for parameter in group["params"]]
        for number, parameter in zip(numbers, ours, strict=True):
            for name in ("exp_avg", "exp_avg_sq") if number in saved else ():
                # torch casts the state to the type of the parameter, which would round it under bf16 weights
                moment = saved[number][name].to(device=parameter.device, dtype=torch.float32)
                self.state[parameter][name] = moment.clone(memory_format=torch.preserve_format)


class AlbertAdamW(_OriginalOptimizer):
    """Adam with decoupled weight decay as in the original ALBERT code.

    Differs from `torch.optim.AdamW` in its defaults: no bias correction and epsilon 1e-6. With
    ``bias_correction=True`` it is `torch.optim.AdamW`.

    Args:
        params: parameters, or groups such as `parameter_groups` makes.
        lr: learning rate.
        betas: decay rates of the running means of the gradient and of its square.
        eps: added outside the square root.
        weight_decay: decoupled, multiplied by the learning rate.
        bias_correction: divide the running means by 1 - beta ** step.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        bias_correction: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "bias_correction": bias_correction})

    def _update(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        means, squares = self._moments(parameters)
        if not _fits_fused_kernel(parameters):
            directions = _directions_one_by_one(group, parameters, gradients, means, squares, self.state)
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter.copy_(parameter.float().add_(direction, alpha=-group["lr"]))
            return
        if group["weight_decay"]:
            # Not left to the kernel: it multiplies by 1 - lr * decay, whose rounding to float32 adds up over the steps.
            torch._foreach_add_(parameters, parameters, alpha=-group["lr"] * group["weight_decay"])
        # The kernel counts up before it corrects, and it wants a step for each tensor.
        step = float(self.state[parameters[0]]["step"] - 1) if group["bias_correction"] else _STEP_WITHOUT_CORRECTION
        steps = [torch.tensor(step, dtype=torch.float32, device=parameter.device) for parameter in parameters]
        adamw(
            parameters,
            [_laid_out_as(gradient, like) for gradient, like in zip(gradients, parameters, strict=True)],
            means,
            squares,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )


class Lamb(_OriginalOptimizer):
    """LAMB as in the original ALBERT code: the Adam direction, scaled tensor by tensor to the size of the weights.

    Groups with ``adapt`` false (biases and LayerNorm in `parameter_groups`) move by -lr * u, unscaled. There is no
    clamp on the ratio; a tensor that is all zero, or whose update is, takes ratio 1.

    Args:
        params: parameters, or groups such as `parameter_groups` makes.
        lr: learning rate.
        betas: decay rates of the running means of the gradient and of its square.
        eps: added outside the square root.
        weight_decay: part of the update vector, so inside its norm.
        adapt: scale by |w| / |u|; may be set per group.
        bias_correction: divide the running means by 1 - beta ** step, as the LAMB paper does and the original code not.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        adapt: bool = True,
        bias_correction: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "adapt": adapt}
        super().__init__(params, {**defaults, "bias_correction": bias_correction})

    def _update(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        means, squares = self._moments(parameters)
        if parameters[0].is_cuda:
            step = self.state[parameters[0]]["step"]
            weights = [parameter.float() for parameter in parameters]
            updates = _directions_at_once(group, weights, gradients, means, squares, step)
            if group["adapt"]:
                torch._foreach_mul_(updates, _trust_ratios(weights, updates))
            torch._foreach_add_(parameters, updates, alpha=-group["lr"])
            return
        directions = _directions_one_by_one(group, parameters, gradients, means, squares, self.state)
        for parameter, direction in zip(parameters, directions, strict=True):
            if group["adapt"]:
                direction.mul_(_trust_ratio(parameter.float(), direction))
            parameter.copy_(parameter.float().add_(direction, alpha=-group["lr"]))


def _check_settings(settings: dict[str, Any]) -> None:
    if settings["lr"] < 0 or settings["eps"] < 0 or settings["weight_decay"] < 0:
        raise ValueError(f"lr, eps and weight_decay must not be negative: {settings}")
    if not all(0 <= beta < 1 for beta in settings["betas"]):
        raise ValueError(f"each beta must be in [0, 1): {settings['betas']}")


def _alike(parameters: list[Tensor], state: Any) -> Iterable[list[Tensor]]:
    """Lists of parameters that one call may update: same device, type, age, and large or small."""
    lists: dict[tuple[Any, ...], list[Tensor]] = {}
    for parameter in parameters:
        large = parameter.is_cuda or parameter.numel() >= _FUSED_FROM
        key = (parameter.device, parameter.dtype, state[parameter]["step"], large)
        lists.setdefault(key, []).append(parameter)
    return lists.values()


def _fits_fused_kernel(parameters: list[Tensor]) -> bool:
    first = parameters[0]
    same_type = all(cast(Tensor, parameter.grad).dtype == torch.float32 for parameter in parameters)
    on_known_device = first.is_cuda or (first.device.type == "cpu" and first.numel() >= _FUSED_FROM)
    return on_known_device and first.dtype == torch.float32 and same_type


def _laid_out_as(gradient: Tensor, like: Tensor) -> Tensor:
    """The gradient in the memory order of its parameter, which the fused kernel takes for granted."""
    if gradient.stride() == like.stride():
        return gradient
    return torch.empty_like(like, dtype=gradient.dtype).copy_(gradient)


def _corrections(group: dict[str, Any], step: int) -> tuple[float, float]:
    """Divisors of the mean and of the root of the mean square."""
    if not group["bias_correction"]:
        return 1.0, 1.0
    beta1, beta2 = group["betas"]
    return 1 - beta1**step, math.sqrt(1 - beta2**step)


def _directions_one_by_one(
    group: dict[str, Any],
    parameters: list[Tensor],
    gradients: list[Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    state: Any,
) -> Iterable[Tensor]:
    """Update vectors u, float32, made when asked for: on CPU one tensor at a time stays in the cache."""
    beta1, beta2 = group["betas"]
    for parameter, gradient, mean, square in zip(parameters, gradients, means, squares, strict=True):
        gradient = gradient.float()
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        mean_divisor, root_divisor = _corrections(group, state[parameter]["step"])
        root = square.sqrt()
        if group["bias_correction"]:
            root.div_(root_divisor)
        direction = torch.div(mean, root.add_(group["eps"]), out=root)
        if group["bias_correction"]:
            direction.div_(mean_divisor)
        if group["weight_decay"]:
            direction.add_(parameter, alpha=group["weight_decay"])
        yield direction


def _directions_at_once(
    group: dict[str, Any],
    weights: list[Tensor],
    gradients: list[Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    step: int,
) -> list[Tensor]:
    """The same update vectors with one kernel for all tensors, as a GPU likes it."""
    beta1, beta2 = group["betas"]
    gradients = [gradient.float() for gradient in gradients]
    torch._foreach_lerp_(means, gradients, 1 - beta1)
    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
    mean_divisor, root_divisor = _corrections(group, step)
    roots = list(torch._foreach_sqrt(squares))
    torch._foreach_div_(roots, root_divisor)
    torch._foreach_add_(roots, group["eps"])
    directions = list(torch._foreach_div(means, roots))
    torch._foreach_div_(directions, mean_divisor)
    torch._foreach_add_(directions, weights, alpha=group["weight_decay"])
    return directions


def _trust_ratio(weight: Tensor, direction: Tensor) -> Tensor:
    """|w| / |u| as a 0-d tensor, 1 where either is zero."""
    weight_norm, direction_norm = torch.linalg.vector_norm(weight), torch.linalg.vector_norm(direction)
    usable = (weight_norm > 0) & (direction_norm > 0)
    return torch.where(usable, weight_norm / direction_norm, torch.ones_like(weight_norm))


def _trust_ratios(weights: list[Tensor], directions: list[Tensor]) -> list[Tensor]:
    weight_norms = torch.stack(torch._foreach_norm(weights))
    direction_norms = torch.stack(torch._foreach_norm(directions))
    usable = (weight_norms > 0) & (direction_norms > 0)
    return list(torch.where(usable, weight_norms / direction_norms, torch.ones_like(weight_norms)).unbind())
