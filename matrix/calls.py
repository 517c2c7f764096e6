"""The calls that PyTorch's hooks record, and how those of a file compare."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn as nn
from reference import is_leaf

# Modules that return their input in evaluation.
IDLE = ("Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "DropPath", "StochasticDepth", "AlphaDropout")


@dataclass(eq=False)
class Call:
    """One call of a module, as its hook sees it."""

    path: str
    type: str
    leaf: bool
    idle: bool
    output: torch.Tensor
    number: int
    # All paths that the module has; hooks know the first.
    names: tuple[str, ...]


def tensors_in(value) -> list[torch.Tensor]:
    """All tensors in nested lists, tuples and dictionaries."""
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [x for part in parts for x in tensors_in(part)]


def recorded(model: nn.Module, inputs: tuple) -> list[Call]:
    """
    Every module call that returns a floating-point tensor first, in the order of returning. Copies, since what a model
    does in place afterwards (`F.relu(x, inplace=True)` in DenseNet) would change what the hook has seen.
    """
    calls: list[Call] = []
    names: dict[nn.Module, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        names.setdefault(module, []).append(path)

    def hook_for(path: str):
        def hook(module, given, keywords, output):
            found = tensors_in(output)
            if not found or not found[0].is_floating_point():
                return
            given = [*tensors_in(given), *tensors_in(keywords)]
            same = [x for x in given if x is found[0] or (is_idle(module) and x.shape == found[0].shape and torch.allclose(x, found[0], atol=1e-4, rtol=1e-4))]
            number = sum(call.path == path for call in calls)
            calls.append(Call(path, type(module).__name__, is_leaf(module), bool(same), found[0].clone(), number, tuple(names[module])))
        return hook

    handles = [m.register_forward_hook(hook_for(path), with_kwargs=True) for path, m in model.named_modules() if path]
    handles += [m.register_forward_hook(take_contiguous_gradient) for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    try:
        model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def take_contiguous_gradient(module, given, output) -> None:
    """
    PyTorch (seen in 2.15 on the CPU) mixes up the elements of a gradient that reaches a BatchNorm in evaluation as a
    transposed sequence of a batch of one, with strides (C, 1, W·C, C). Made contiguous, it is read as it should.
    """
    if output.requires_grad:
        output.register_hook(lambda grad: grad.contiguous())


def described(call: Call) -> str:
    return f"{call.path} ({call.type})"


def is_idle(module: nn.Module) -> bool:
    return type(module).__name__ in IDLE or getattr(module, "merged", False)


def match(calls: list[Call], modules: list[dict], style: str) -> tuple[dict, dict, list[Call]]:
    """Paths that are hooked: PyTorch's, and what the file calls them; how the lists of leaf calls compare; what is missing."""
    expected: dict[str, list[Call]] = {}
    for call in calls:
        if call.leaf and not call.idle:
            expected.setdefault(call.path, []).append(call)
    leaves = [module for module in modules if module["leaf"]]
    if style == "stripped":
        return by_class(expected, leaves, calls)
    first_names = {name: call.path for call in calls for name in call.names}
    found: dict[str, list[dict]] = {}
    for module in leaves:
        folded = module.get("folded", {}).get("path")
        path = folded if folded in expected else module["path"]
        found.setdefault(first_names.get(path, path), []).append(module)
    pairs = {path: aligned(calls_of, found.get(path, [])) for path, calls_of in expected.items()}
    matched = {(call.path, call.number): module["path"] for pair in pairs.values() for call, module in pair}
    classes = [(call.type, module) for pair in pairs.values() for call, module in pair]
    return matched, {
        "expected": sum(map(len, expected.values())),
        "found": len(matched),
        "extra": sorted({f"{module['path']} ({module['class']})" for path, entries in found.items() if path not in expected for module in entries}),
        "classes": sum(type_ == module["class"] or module.get("folded", {}).get("class") == type_ for type_, module in classes),
    }, [call for calls_of in expected.values() for call in calls_of if (call.path, call.number) not in matched]


def aligned(expected: list[Call], found: list[dict]) -> list[tuple[Call, dict]]:
    """Pairs of calls of one module. An exporter that sees a call on equal inputs twice writes it once."""
    pairs, rest = [], iter(expected)
    for module in found:
        call = next((call for call in rest if list(call.output.shape) == module["shape"]), None)
        if call is None:
            return []
        pairs.append((call, module))
    return pairs


def by_class(expected: dict, leaves: list[dict], calls: list[Call]) -> tuple[dict, dict, list[Call]]:
    """Files without names: calls of one class are held against each other in their order."""
    in_order = [call for call in calls if call.leaf and not call.idle]
    matched = {}
    for kind in {call.type for call in in_order}:
        theirs = [call for call in in_order if call.type == kind]
        # transformers has activation classes of its own.
        ours = [module for module in leaves if module["class"] == kind.removesuffix("Activation")]
        if len(theirs) == len(ours):
            matched |= {(call.path, call.number): module["path"] for call, module in aligned(theirs, ours)}
    counts = {"expected": len(in_order), "found": len(matched), "classes": len(matched), "extra": []}
    return matched, counts, [call for call in in_order if (call.path, call.number) not in matched]
