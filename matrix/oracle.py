"""Loss and gradient as PyTorch has them, and how far they can be trusted in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import torch
import torch.nn as nn
from calls import recorded
from precision import DRAWS, in_float64, shaken
from reference import build_loss, curve

CURVE = {"startWeight": 1, "endWeight": 2, "curveForce": 2}
LOSSES = {"cosine": {"type": "l2", "norm": "cosine", "reduction": "mean"}, "difference": {"type": "l2", "norm": "none", "reduction": "mean"}}
# A central difference crosses some kinks; a wrong gradient is off by far more.
SLOPE_TOLERANCE = 1e-2


def objective(model: nn.Module, hooked: set, spec: dict, target, further: tuple, dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    """The original loss in PyTorch as a function of the image, with hooks on these calls."""
    model = model.to(dtype)
    cast = tuple(x.to(dtype) if x.is_floating_point() else x for x in further)
    activations = lambda x: [call.output for call in recorded(model, (x, *cast)) if (call.path, call.number) in hooked]
    with torch.no_grad():
        wanted = activations(target.to(dtype))
    weights = curve(len(wanted), CURVE["startWeight"], CURVE["endWeight"], CURVE["curveForce"])
    loss_func = build_loss(spec)
    return lambda pred: sum(w * loss_func(a, b) for w, a, b in zip(weights, activations(pred), wanted, strict=True))


def with_gradient(loss_of: Callable, pred: torch.Tensor) -> tuple[float, torch.Tensor]:
    pred = pred.detach().requires_grad_()
    loss = loss_of(pred)
    return float(loss), torch.autograd.grad(loss, pred)[0].double()


def reference(model: nn.Module, hooked: set, spec: dict, pred, target, further: tuple, dtype) -> tuple[float, torch.Tensor]:
    """Loss and gradient in PyTorch. In float64 the gradient has to be the slope of the loss."""
    loss_of = objective(model, hooked, spec, target, further, dtype)
    loss, grad = with_gradient(loss_of, pred.to(dtype))
    if dtype == torch.float64:
        step = grad / grad.norm() * pred.double().norm() * 1e-7
        with torch.no_grad():
            difference = float(loss_of(pred.double() + step) - loss_of(pred.double() - step)) / 2
        if abs(difference / float((grad * step).sum()) - 1) > SLOPE_TOLERANCE:
            raise RuntimeError(f"PyTorch's gradient is not the slope of its loss: {float((grad * step).sum())} for {difference}")
    return loss, grad


def limits(model: nn.Module, hooked: set, spec: dict, pred, target, further: tuple, grad: torch.Tensor, compiled: Path) -> dict:
    """Where a gradient is off: how far the compiled file is in float64, and PyTorch's after roundings to float32."""
    moved = []
    for draw in range(DRAWS):
        with shaken(model.to(torch.float64), draw):
            loss_of = objective(model, hooked, spec, target, further, torch.float64)
            moved.append(relative(with_gradient(loss_of, pred.double())[1], grad))
    return {"in float64": relative(in_float64(compiled, pred, target), grad), "shaken": moved}


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.double() - wanted).norm() / wanted.norm().clamp_min(1e-30))
