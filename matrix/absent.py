"""Why a call that PyTorch's hooks record is not in a file: measured in PyTorch, one call at a time."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import onnx
import torch
import torch.nn as nn
from calls import tensors_in

SAME_FOR_EVERY_IMAGE = "same output for every image"
WITHOUT_EFFECT = "without effect on the model's output"
REPEATED = "repeats of another call on equal inputs"
SHORT_NAME = "found without the name of a container that is never called"
IDLE_CHILDREN = "found in place of its children, which do nothing"


def reasons(model: nn.Module, images: tuple, further: tuple, missing: list, matched: dict, extra: list[str], file: Path) -> dict[str, list]:
    """The missing calls that the file could or need not show, by reason. What is left over is a miss."""
    if not missing:
        return {}
    seen = [observed(model, (image, *further)) for image in images]
    outputs = [{(path, number): output for path, number, _, output in calls} for calls in seen]
    same_for_both = lambda call: torch.equal(*(of_image[call.path, call.number] for of_image in outputs))
    called = {path for path, *_ in seen[0]}
    known = {path for path, _ in matched}
    found: dict[str, list] = {}
    for call in missing:
        if any(f"{without_uncalled(name, called)} ({call.type})" in extra for name in call.names):
            found.setdefault(SHORT_NAME, []).append(call)
        elif call.path not in known and stands_in(file, call.names, known):
            continue
        elif same_for_both(call):
            found.setdefault(SAME_FOR_EVERY_IMAGE, []).append(call)
        elif not has_effect(model, (images[0], *further), call, outputs_of(file)):
            found.setdefault(WITHOUT_EFFECT, []).append(call)
        elif repeats(model, seen[0], call, matched):
            found.setdefault(REPEATED, []).append(call)
    return found


def surplus(calls: list, extra: list[str], apart: dict[str, list]) -> dict[str, list[str]]:
    """Calls of the file that PyTorch does not count as those of leaves, by reason; '' where there is none."""
    called = {call.path for call in calls}
    renamed = {f"{without_uncalled(name, called)} ({call.type})" for call in apart.get(SHORT_NAME, []) for name in call.names}
    found: dict[str, list[str]] = {}
    for entry in extra:
        if entry in renamed:
            continue
        inner = [call for call in calls if call.leaf and call.path.startswith(f"{entry.rpartition(' (')[0]}.")]
        found.setdefault(IDLE_CHILDREN if inner and all(call.idle for call in inner) else "", []).append(entry)
    return found


def without_uncalled(path: str, called: set[str]) -> str:
    """A path without the containers that no hook has seen."""
    parts = path.split(".")
    return ".".join(part for i, part in enumerate(parts) if ".".join(parts[: i + 1]) in called)


def observed(model: nn.Module, inputs: tuple) -> list[tuple]:
    """Path, number, inputs and first output of every call that returns a floating-point tensor first."""
    seen, counts = [], {}

    def hook_for(path: str):
        def hook(module, given, keywords, output):
            found = tensors_in(output)
            if found and found[0].is_floating_point():
                number = counts[path] = counts.get(path, -1) + 1
                seen.append((path, number, [x.clone() for x in tensors_in([*given, keywords])], found[0].clone()))
        return hook

    handles = [m.register_forward_hook(hook_for(path), with_kwargs=True) for path, m in model.named_modules() if path]
    try:
        model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def has_effect(model: nn.Module, inputs: tuple, call, names: set[str]) -> bool:
    """Whether other values in place of the call's output change anything the model returns; of a dict, under these names."""
    returned = lambda: exported(model(*inputs), names)
    count = -1

    def disturb(module, given, output):
        nonlocal count
        found = tensors_in(output)
        if not found or not found[0].is_floating_point():
            return None
        count += 1
        if count != call.number:
            return None
        other = found[0] + torch.randn_like(found[0])
        if isinstance(output, torch.Tensor):
            return other
        if isinstance(output, dict):
            key = next(key for key, value in output.items() if value is found[0])
            return type(output)({**output, key: other})
        return type(output)(other if x is found[0] else x for x in output)

    before = returned()
    handle = model.get_submodule(call.path).register_forward_hook(disturb)
    try:
        after = returned()
    finally:
        handle.remove()
    return any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def repeats(model: nn.Module, calls: list[tuple], call, matched: dict) -> bool:
    """Whether a call that was found has equal inputs, an equal output, and a module of the same class and weights."""
    seen = {(path, number): (given, output) for path, number, given, output in calls}
    module, (given, output) = model.get_submodule(call.path), seen[call.path, call.number]
    equal = lambda a, b: len(a) == len(b) and all(x.shape == y.shape and torch.equal(x, y) for x, y in zip(a, b))

    def is_same(path: str, number: int) -> bool:
        other, (others_given, others_output) = model.get_submodule(path), seen[path, number]
        same_module = type(other) is type(module) and equal(list(other.state_dict().values()), list(module.state_dict().values()))
        return same_module and equal(given, others_given) and equal([output], [others_output])

    return any(is_same(*key) for key in matched if key != (call.path, call.number))


def stands_in(file: Path, names: tuple[str, ...], known: set[str]) -> bool:
    """Whether any node of a file says that it stands in a module of one of these names, and in none that is known."""
    for node in nodes_of(file):
        scopes = next((entry.value for entry in node.metadata_props if entry.key == "pkg.torch.onnx.name_scopes"), "")
        if any(f"'{name}'" in re.sub(r"@\d+", "", scopes) for name in names):
            return True
        folders = [re.sub(r"_\d+$", "", part) for part in node.name.split("/")[1:-1]]
        fitting = [name for name in names if fits(folders, name)]
        if fitting and not any(fits(folders, name) and len(name) <= len(fitting[0]) for name in known):
            return True
    return False


def exported(value, names: set[str]) -> list[torch.Tensor]:
    """Optimum leaves out some of what a model returns."""
    return tensors_in([value[key] for key in value if key in names] if isinstance(value, dict) else value)


@cache
def graph_of(file: Path) -> onnx.GraphProto:
    return onnx.load(file, load_external_data=False).graph


def nodes_of(file: Path) -> list[onnx.NodeProto]:
    return list(graph_of(file).node)


def outputs_of(file: Path) -> set[str]:
    return {output.name for output in graph_of(file).output}


def fits(folders: list[str], path: str) -> bool:
    """Whether a node's name may stand for a module: containers that are not called are left out of names."""
    return bool(folders) and f".{path}".endswith(f".{folders[-1]}") and all(f".{part}." in f".{path}." for part in folders)
