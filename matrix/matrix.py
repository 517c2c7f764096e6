"""Runs the original loss in PyTorch and globalperc on many architectures, and writes MODELS.md.

    python matrix/matrix.py [--only REGEX] [--work DIR] [--table]

Every architecture is exported in both styles of torch.onnx, some also as optimisers rewrite them. The hooks of the file
are held against those of `register_forward_hook`, loss and gradient against PyTorch's in float64. Each pair of
architecture and style runs in a process of its own; results are kept in DIR, `--table` writes MODELS.md from them alone.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn as nn

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "fixtures"))

from architectures import ARCHITECTURES, Architecture, Wrapper  # noqa: E402
from reference import build_loss, curve, is_leaf  # noqa: E402

STYLES = ("torchscript", "dynamo")
REWRITTEN = {name: ("onnxslim", "onnxsim", "stripped") for name in ("ResNet-18", "MobileNet v3 small", "ConvNeXt", "ViT", "DINOv2 with registers", "Swin", "CLIP ViT")}
# What `optimum-cli export onnx` writes, by itself and with an optimisation level; needs an environment of its own.
OPTIMUM = {name: ("optimum", "optimum-o2") for name in ("ViT (transformers)", "DINOv2 (transformers)", "SegFormer")}
CLI = ["node", str(ROOT / "dist" / "cli" / "main.js")]
CURVE = {"startWeight": 1, "endWeight": 2, "curveForce": 2}
LOSSES = {"cosine": {"type": "l2", "norm": "cosine", "reduction": "mean"}, "difference": {"type": "l2", "norm": "none", "reduction": "mean"}}
TOLERANCE = 1e-3
TIMEOUT = 900
# Modules that return their input in evaluation.
IDLE = ("Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "DropPath", "StochasticDepth", "AlphaDropout")


@dataclass
class Call:
    path: str
    type: str
    leaf: bool
    idle: bool
    output: torch.Tensor
    number: int = 0


def tensors_in(value) -> list[torch.Tensor]:
    return [x for x in (value if isinstance(value, (tuple, list)) else (value,)) if isinstance(x, torch.Tensor)]


def recorded(model: nn.Module, inputs: tuple) -> list[Call]:
    """
    Every module call that returns a floating-point tensor first, in the order of returning. Copies, since what a model
    does in place afterwards (`F.relu(x, inplace=True)` in DenseNet) would change what the hook has seen.
    """
    calls: list[Call] = []

    def hook_for(path: str):
        def hook(module, given, keywords, output):
            found = tensors_in(output)
            if not found or not found[0].is_floating_point():
                return
            given = [*tensors_in(given), *tensors_in(list(keywords.values()))]
            same = [x for x in given if x is found[0] or (is_idle(module) and x.shape == found[0].shape and torch.allclose(x, found[0], atol=1e-4, rtol=1e-4))]
            number = sum(call.path == path for call in calls)
            calls.append(Call(path, type(module).__name__, is_leaf(module), bool(same), found[0].clone(), number))
        return hook

    handles = [m.register_forward_hook(hook_for(path), with_kwargs=True) for path, m in model.named_modules() if path]
    try:
        model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def is_idle(module: nn.Module) -> bool:
    return type(module).__name__ in IDLE or getattr(module, "merged", False)


def prepared(architecture: Architecture) -> nn.Module:
    """A frozen model in which every weight matters."""
    torch.manual_seed(3)
    model = architecture.make().eval().requires_grad_(False)
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.2)
            module.running_var.uniform_(0.3, 1.0)
    for name, parameter in model.named_parameters():
        if parameter.dim() <= 1 or "table" in name or "pos" in name:
            parameter.add_(torch.randn_like(parameter) * 0.2)
        elif parameter.numel() == max(parameter.shape):  # one factor per channel, as of LayerScale
            parameter.add_(torch.rand_like(parameter) * 0.5)
        elif parameter.std() < 5e-3:  # some start as good as zero
            parameter.normal_(std=parameter[0].numel() ** -0.5)
    return model


def merge_batch_norms(model: nn.Module, inputs: tuple) -> None:
    """Moves every BatchNorm that directly follows a convolution into it, as both exporters do; what stays does nothing."""
    # The tensors are kept, so that no two have the same id.
    made, pairs, uses, kept = {}, [], {}, []

    def hook(module, given, output):
        kept.extend((given, output))
        for x in tensors_in(given):
            uses[id(x)] = uses.get(id(x), 0) + 1
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            made[id(output)] = (module, output)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and id(given[0]) in made:
            pairs.append((*made[id(given[0])], module))

    handles = [m.register_forward_hook(hook) for m in model.modules() if is_leaf(m) or isinstance(m, nn.modules.batchnorm._BatchNorm)]
    model(*inputs)
    for handle in handles:
        handle.remove()
    for conv, output, norm in pairs:
        if uses[id(output)] > 1 or getattr(norm, "merged", False):
            continue
        scale = (norm.weight if norm.affine else 1) / (norm.running_var + norm.eps).sqrt()
        bias = (conv.bias if conv.bias is not None else 0) - norm.running_mean
        conv.weight.data = conv.weight * scale.reshape(-1, *[1] * (conv.weight.dim() - 1))
        conv.bias = nn.Parameter(bias * scale + (norm.bias if norm.affine else 0), requires_grad=False)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        if norm.affine:
            norm.weight.data.fill_(1)
            norm.bias.data.zero_()
        norm.merged = True


def export(model: nn.Module, inputs: tuple, names: list[str], path: Path, style: str) -> None:
    if style.startswith("optimum"):
        return export_optimum(model, path, style)
    base = path.with_name("torchscript.onnx")
    if style == "dynamo":
        torch.onnx.export(model, inputs, path, dynamo=True, external_data=False, verbose=False, input_names=names)
    elif style == "torchscript" or not base.exists():
        try:
            torch.onnx.export(model, inputs, base, dynamo=False, opset_version=18, input_names=names)
        except Exception:
            base.unlink(missing_ok=True)
            raise
    if style == "onnxslim":
        import onnxslim

        onnx.save(onnxslim.slim(str(base)), path)
    elif style == "onnxsim":
        from onnxsim import simplify

        onnx.save(simplify(onnx.load(base))[0], path)
    elif style == "stripped":
        strip(onnx.load(base), path, names)


def export_optimum(model: nn.Module, path: Path, style: str) -> None:
    from optimum.exporters.onnx import onnx_export_from_model
    from transformers import ViTImageProcessor

    with tempfile.TemporaryDirectory() as folder:
        # Some models are exported in the size that is found beside them.
        ViTImageProcessor().save_pretrained(folder)
        model.config._name_or_path = folder
        level = style.removeprefix("optimum").removeprefix("-").upper() or None
        onnx_export_from_model(model, folder, task="feature-extraction", do_validation=False, optimize=level)
        path.write_bytes((Path(folder) / "model.onnx").read_bytes())


def strip(proto: onnx.ModelProto, path: Path, keep: list[str]) -> None:
    """Replaces every name but those of the inputs."""
    renamed = {"": "", **{name: name for name in keep}}
    graph = proto.graph
    for i, node in enumerate(graph.node):
        node.name = f"n{i}"
        node.input[:] = [renamed.setdefault(name, f"t{len(renamed)}") for name in node.input]
        node.output[:] = [renamed.setdefault(name, f"t{len(renamed)}") for name in node.output]
    for tensor in [*graph.initializer, *graph.output]:
        tensor.name = renamed.setdefault(tensor.name, f"t{len(renamed)}")
    del graph.value_info[:]
    onnx.save(proto, path)


def command(*arguments: str) -> dict:
    found = subprocess.run([*CLI, *arguments, "--json"], capture_output=True, text=True, timeout=TIMEOUT)
    if found.returncode != 0:
        raise RuntimeError(found.stderr.strip().splitlines()[0] if found.stderr.strip() else f"exit {found.returncode}")
    return json.loads(found.stdout)


def set_arguments(further: dict, work: Path) -> list[str]:
    """Options of the command line that give the values of further inputs."""
    for key, value in further.items():
        np.save(work / f"{key}.npy", value.numpy())
    return [part for key in further for part in ("--set", f"{key}={work / f'{key}.npy'}")]


def reference(model: nn.Module, hooked: set, spec: dict, pred, target, further: tuple, dtype) -> tuple[float, torch.Tensor]:
    """Loss and gradient in PyTorch, with hooks on these calls."""
    model = model.to(dtype)
    cast = tuple(x.to(dtype) if x.is_floating_point() else x for x in further)
    activations = lambda x: [call.output for call in recorded(model, (x, *cast)) if (call.path, call.number) in hooked]
    pred = pred.to(dtype).requires_grad_()
    with torch.no_grad():
        wanted = activations(target.to(dtype))
    seen = activations(pred)
    weights = curve(len(seen), CURVE["startWeight"], CURVE["endWeight"], CURVE["curveForce"])
    loss_func = build_loss(spec)
    loss = sum(w * loss_func(a, b) for w, a, b in zip(weights, seen, wanted, strict=True))
    return float(loss), torch.autograd.grad(loss, pred)[0].double()


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.double() - wanted).norm() / wanted.norm().clamp_min(1e-30))


def run(name: str, style: str, work: Path) -> dict:
    warnings.simplefilter("ignore")
    torch.backends.mha.set_fastpath_enabled(False)
    torch.set_num_threads(2)
    architecture = ARCHITECTURES[name]
    work.mkdir(parents=True, exist_ok=True)
    model = prepared(architecture)
    generator = torch.Generator().manual_seed(7)
    pred, target = (torch.rand(architecture.shape, generator=generator) for _ in range(2))
    further = tuple(architecture.further.values())
    merge_batch_norms(model, (pred, *further))
    first = model.names[0] if isinstance(model, Wrapper) else "image"
    model = model.model if style.startswith("optimum") else model
    path = work / f"{style}.onnx"
    try:
        export(model, (pred, *further), [first, *architecture.further], path, style)
    except Exception as error:
        return {"unavailable": f"{type(error).__name__}: {next((line for line in str(error).splitlines() if line.strip()), '')[:160]}"}
    arguments = ["--image", first, *set_arguments(architecture.further, work)]
    result = {"parameters": sum(p.numel() for p in model.parameters())}
    calls = recorded(model, (pred, *further))
    matched, hooks = match(calls, command("inspect", str(path), *arguments, "--input", ",".join(map(str, pred.shape)))["modules"], style)
    result |= hooks
    if not matched:
        return result | {"error": "no hook in common"}
    for key, tensor in (("pred", pred), ("target", target)):
        np.save(work / f"{key}.npy", tensor.numpy())
    pattern = "|".join(re.escape(found).replace("\\-", "-") for found in sorted(set(matched.values())))
    for label, spec in LOSSES.items():
        (work / "config.json").write_text(json.dumps({**CURVE, "modulesToHook": [f"/^(?:{pattern})$/"], "lossFunc": spec}))
        started = time.monotonic()
        found = command("loss", str(path), str(work / "pred.npy"), str(work / "target.npy"), *arguments, "--config", str(work / "config.json"), "--grad", str(work / "grad.npy"))
        result[f"{label} seconds"] = time.monotonic() - started
        loss, grad = reference(model, set(matched), spec, pred, target, further, torch.float64)
        _, single = reference(model, set(matched), spec, pred, target, further, torch.float32)
        result[f"{label} loss"] = abs(found["loss"] - loss) / abs(loss)
        result[f"{label} gradient"] = relative(torch.from_numpy(np.load(work / "grad.npy")), grad)
        result[f"{label} noise"] = relative(single, grad)
        ordered = [matched[call.path, call.number] for call in calls if (call.path, call.number) in matched]
        result["order"] = [hook["path"] for hook in found["hooks"]] == ordered
    return result


def match(calls: list[Call], modules: list[dict], style: str) -> tuple[dict, dict]:
    """Paths that are hooked: PyTorch's, and what the file calls them; and how the lists of leaf calls compare."""
    expected: dict[str, list[Call]] = {}
    for call in calls:
        if call.leaf and not call.idle and not constant(call):
            expected.setdefault(call.path, []).append(call)
    leaves = [module for module in modules if module["leaf"]]
    found: dict[str, list[dict]] = {}
    for module in leaves:
        folded = module.get("folded", {}).get("path")
        found.setdefault(folded if folded in expected else module["path"], []).append(module)
    if style == "stripped":
        return by_class(expected, leaves, calls)
    pairs = {path: aligned(calls_of, found.get(path, [])) for path, calls_of in expected.items()}
    matched = {(call.path, call.number): module["path"] for pair in pairs.values() for call, module in pair}
    classes = [(call.type, module) for pair in pairs.values() for call, module in pair]
    return matched, {
        "expected": sum(map(len, expected.values())),
        "found": len(matched),
        "missing": [f"{path} ({call.type})" for path, calls_of in expected.items() for call in calls_of if (path, call.number) not in matched][:12],
        "extra": sorted({f"{module['path']} ({module['class']})" for path, entries in found.items() if path not in expected for module in entries})[:12],
        "classes": sum(type_ == module["class"] or module.get("folded", {}).get("class") == type_ for type_, module in classes),
    }


def constant(call: Call) -> bool:
    """Embeddings of positions depend on no input: the file holds them as weights."""
    return "position_embedding" in call.path or "RopePositionEmbedding" in call.type


def aligned(expected: list[Call], found: list[dict]) -> list[tuple[Call, dict]]:
    """Pairs of calls of one module. An exporter that sees a call on equal inputs twice writes it once."""
    pairs, rest = [], iter(expected)
    for module in found:
        call = next((call for call in rest if list(call.output.shape) == module["shape"]), None)
        if call is None:
            return []
        pairs.append((call, module))
    return pairs


def by_class(expected: dict, leaves: list[dict], calls: list[Call]) -> tuple[dict, dict]:
    """Files without names: calls of one class are held against each other in their order."""
    in_order = [call for call in calls if call.leaf and not call.idle]
    matched = {}
    for kind in {call.type for call in in_order}:
        theirs = [call for call in in_order if call.type == kind]
        # transformers has activation classes of its own.
        ours = [module for module in leaves if module["class"] == kind.removesuffix("Activation")]
        if len(theirs) == len(ours):
            matched |= {(call.path, call.number): module["path"] for call, module in aligned(theirs, ours)}
    counts = {"expected": len(in_order), "found": len(matched), "classes": len(matched)}
    missing = [f"{call.path} ({call.type})" for call in in_order if (call.path, call.number) not in matched]
    return matched, {**counts, "missing": missing[:12], "extra": []}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--work", type=Path, default=Path("matrix-work"))
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--one", nargs=2)
    options = parser.parse_args()
    if options.one:
        name, style = options.one
        try:
            result = run(name, style, folder(options.work, name))
        except Exception as error:
            traceback.print_exc()
            result = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        (folder(options.work, name) / f"{style}.json").write_text(json.dumps(result))
        return
    for name in [] if options.table else [name for name in ARCHITECTURES if re.search(options.only, name)]:
        for style in styles_here(name):
            one = [sys.executable, __file__, "--work", str(options.work), "--one", name, style]
            folder(options.work, name).mkdir(parents=True, exist_ok=True)
            subprocess.run(one, stdout=subprocess.DEVNULL, stderr=(folder(options.work, name) / f"{style}.log").open("w"), timeout=4 * TIMEOUT)
            print(name, style, (folder(options.work, name) / f"{style}.json").read_text()[:400], flush=True)
    from table import write_table

    styles = {name: (*STYLES, *REWRITTEN.get(name, ()), *OPTIMUM.get(name, ())) for name in ARCHITECTURES}
    sources = {name: architecture.source for name, architecture in ARCHITECTURES.items()}
    write_table(ROOT / "MODELS.md", options.work, styles, sources, TOLERANCE, versions())


def styles_here(name: str) -> tuple[str, ...]:
    """Optimum is installed beside an older transformers, where only its own styles are made."""
    return OPTIMUM.get(name, ()) if find_spec("optimum") else (*STYLES, *REWRITTEN.get(name, ()))


def versions() -> str:
    from importlib.metadata import version

    return ", ".join(f"{package} {version(package)}" for package in ("torch", "torchvision", "timm", "transformers", "diffusers", "onnxslim", "onnxsim"))


def folder(work: Path, name: str) -> Path:
    return work / re.sub(r"\W+", "-", name).strip("-").lower()


if __name__ == "__main__":
    main()
