"""What float32 can and cannot decide: a compiled graph run in float64, and PyTorch's gradient after float32's rounding."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import onnx
import torch
import torch.nn as nn
import torch.nn.functional as F
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

# What rounding to float32 changes in the output of a Conv2d or Linear, as a part of the output's root mean square
# (between 5e-8 and 6e-7 in VGG-11, in PyTorch as in ONNX Runtime).
ROUNDING = 1e-7
DRAWS = 8


def in_float64(path: Path, pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The gradient that a compiled file gives when all of it is calculated in float64."""
    evaluator = ReferenceEvaluator(doubled(onnx.load(path)), new_ops=OPERATORS)
    return torch.from_numpy(evaluator.run(["grad"], {"pred": pred.double().numpy(), "target": target.double().numpy()})[0])


def doubled(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with float64 in place of float32."""
    widened = lambda tensor: numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)
    graph = proto.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(widened(tensor))
    for value in [*graph.input, *graph.output]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    del graph.value_info[:]
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(widened(attribute.t))
    return proto


def padded(x: torch.Tensor, pads: list[int] | None, value: float = 0.0) -> torch.Tensor:
    """ONNX lists all starts, then all ends; torch the pairs of the last axis first. Negative ones crop."""
    half = len(pads or ()) // 2
    return F.pad(x, [p for i in reversed(range(half)) for p in (pads[i], pads[half + i])], value=value)


def convolve(x, weight, bias=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, pads=None, strides=None):
    call = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[x.dim()]
    return call(padded(x, pads), weight, bias, strides or 1, 0, dilations or 1, group or 1)


def convolve_transposed(x, weight, bias=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, output_padding=None, output_shape=None, pads=None, strides=None):
    call = {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}[x.dim()]
    whole = padded(call(x, weight, None, strides or 1, 0, 0, group or 1, dilations or 1), [0] * (x.dim() - 2) + [*(output_padding or [0] * (x.dim() - 2))])
    cropped = padded(whole, [-p for p in pads or ()])
    return cropped if bias is None else cropped + bias.reshape(-1, *[1] * (x.dim() - 2))


def max_pool(x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, pads=None, storage_order=None, strides=None):
    """Values, and places in the flattened input."""
    before = (pads or [0, 0])[: x.dim() - 2]
    if ceil_mode or [*before, *before] != [*(pads or before + before)] or x.dim() != 4:
        raise NotImplementedError(f"MaxPool of rank {x.dim()} with pads {pads}, ceil_mode {ceil_mode}")
    values, places = F.max_pool2d(x, kernel_shape, strides or 1, before, dilations or 1, return_indices=True)
    planes = torch.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], 1, 1)
    return values, places + planes * x.shape[2] * x.shape[3]


def max_unpool(x, places, shape=None, kernel_shape=None, pads=None, strides=None):
    spatial = [(size - 1) * stride + kernel for size, stride, kernel in zip(x.shape[2:], strides, kernel_shape)]
    sizes = [*x.shape[:2], *spatial] if shape is None else shape.tolist()
    whole = torch.zeros(int(np.prod(sizes)), dtype=x.dtype)
    whole[places.flatten()] = x.flatten()
    return whole.reshape(sizes)


def layer_norm(x, scale, bias=None, axis=None, epsilon=None, stash_type=None):
    return F.layer_norm(x, x.shape[-1 if axis is None else axis :], scale, bias, 1e-5 if epsilon is None else epsilon)


def grid_sample(x, grid, align_corners=None, mode=None, padding_mode=None):
    named = {"linear": "bilinear", "cubic": "bicubic"}.get(mode or "linear", mode)
    return F.grid_sample(x, grid, named, padding_mode or "zeros", bool(align_corners))


def gather_elements(x, indices, axis=None):
    return x.gather(axis or 0, indices)


def scatter_elements(x, indices, updates, axis=None, reduction=None):
    return x.scatter_add(axis or 0, indices, updates) if reduction == "add" else x.scatter(axis or 0, indices, updates)


def by_torch(name: str, function: Callable) -> type[OpRun]:
    """An operator of the evaluator: those of its own that take minutes, or calculate in float32."""

    def run(self, *inputs, **attributes):
        tensors = [None if value is None else torch.from_numpy(np.array(value)) for value in inputs]
        found = function(*tensors, **attributes)
        return tuple(x.numpy() for x in (found if isinstance(found, tuple) else (found,)))

    return type(name, (OpRun,), {"op_domain": "", "_run": run, "__module__": __name__})


OPERATORS = [
    by_torch("Conv", convolve),
    by_torch("ConvTranspose", convolve_transposed),
    by_torch("MaxPool", max_pool),
    by_torch("MaxUnpool", max_unpool),
    by_torch("LayerNormalization", layer_norm),
    by_torch("GridSample", grid_sample),
    by_torch("GatherElements", gather_elements),
    by_torch("ScatterElements", scatter_elements),
    by_torch("Erf", torch.special.erf),
    by_torch("HardSwish", F.hardswish),
]


@contextmanager
def shaken(model: nn.Module, draw: int) -> Iterator[None]:
    """Moves the output of every layer with weights by as much as rounding to float32 does."""
    generator = torch.Generator().manual_seed(draw)

    def hook(module, given, output):
        if isinstance(output, torch.Tensor) and output.is_floating_point():
            noise = torch.randn(output.shape, generator=generator, dtype=output.dtype)
            return output + noise * output.detach().square().mean().sqrt() * ROUNDING
        return None

    weighted = [module for module in model.modules() if not list(module.children()) and list(module.parameters())]
    handles = [module.register_forward_hook(hook) for module in weighted]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
