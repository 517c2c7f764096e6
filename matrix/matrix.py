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
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn as nn

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "fixtures"))

from absent import reasons, surplus  # noqa: E402
from architectures import ARCHITECTURES, Architecture, Wrapper  # noqa: E402
from calls import described, match, recorded, tensors_in  # noqa: E402
from oracle import CURVE, LOSSES, limits, reference, relative  # noqa: E402
from reference import is_leaf  # noqa: E402

STYLES = ("torchscript", "dynamo")
REWRITTEN = {name: ("onnxslim", "onnxsim", "stripped") for name in ("ResNet-18", "MobileNet v3 small", "ConvNeXt", "ViT", "DINOv2 with registers", "Swin", "CLIP ViT")}
# What `optimum-cli export onnx` writes, by itself and with an optimisation level; needs an environment of its own.
OPTIMUM = {
    **{name: ("optimum", "optimum-o2") for name in ("ViT (transformers)", "DINOv2 (transformers)", "SegFormer")},
    **{f"{name} (transformers)": ("optimum",) for name in ("ResNet", "ConvNeXt", "Swin", "BEiT", "DeiT", "MobileViT", "MobileNet v2")},
}
CLI = ["node", str(ROOT / "dist" / "cli" / "main.js")]
TOLERANCE = 1e-3
TIMEOUT = 900


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


def directly_behind(model: nn.Module, inputs: tuple, firsts: tuple, is_second) -> list[tuple[nn.Module, nn.Module]]:
    """Pairs of modules of which only the second reads what the first returns."""
    # The tensors are kept, so that no two have the same id.
    made, pairs, uses, kept = {}, [], {}, []

    def hook(module, given, output):
        kept.extend((given, output))
        if given and output is given[0]:
            return
        for x in tensors_in(given):
            uses[id(x)] = uses.get(id(x), 0) + 1
        if isinstance(module, firsts):
            made[id(output)] = (module, output)
        elif is_second(module) and id(given[0]) in made:
            pairs.append((*made[id(given[0])], module))

    handles = [m.register_forward_hook(hook) for m in model.modules() if is_leaf(m) or is_second(m)]
    model(*inputs)
    for handle in handles:
        handle.remove()
    return [(first, second) for first, output, second in pairs if uses[id(output)] == 1 and not getattr(second, "merged", False)]


def merge_batch_norms(model: nn.Module, inputs: tuple) -> None:
    """Moves every BatchNorm that directly follows a convolution into it, as both exporters do; what stays does nothing."""
    is_norm = lambda module: isinstance(module, nn.modules.batchnorm._BatchNorm)
    for conv, norm in directly_behind(model, inputs, (nn.Conv1d, nn.Conv2d, nn.Conv3d), is_norm):
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


def merge_scales(model: nn.Module, inputs: tuple) -> None:
    """Moves every LayerScale into the Linear before it, as onnxslim does to the file."""
    for linear, scale in directly_behind(model, inputs, (nn.Linear,), lambda module: type(module).__name__ == "LayerScale"):
        linear.weight.data = linear.weight * scale.gamma[:, None]
        linear.bias.data = linear.bias * scale.gamma
        scale.gamma.data.fill_(1)
        scale.merged = True


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
    return json.loads(printed(*arguments, "--json"))


def printed(*arguments: str) -> str:
    found = subprocess.run([*CLI, *arguments], capture_output=True, text=True, timeout=TIMEOUT)
    if found.returncode != 0:
        raise RuntimeError(found.stderr.strip().splitlines()[0] if found.stderr.strip() else f"exit {found.returncode}")
    return found.stdout


def set_arguments(further: dict, work: Path) -> list[str]:
    """Options of the command line that give the values of further inputs."""
    for key, value in further.items():
        np.save(work / f"{key}.npy", value.numpy())
    return [part for key in further for part in ("--set", f"{key}={work / f'{key}.npy'}")]


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
    if style == "onnxslim":
        merge_scales(model, (pred, *further))
    arguments = ["--image", first, *set_arguments(architecture.further, work)]
    result = {"parameters": sum(p.numel() for p in model.parameters())}
    calls = recorded(model, (pred, *further))
    matched, hooks, missing = match(calls, command("inspect", str(path), *arguments, "--input", ",".join(map(str, pred.shape)))["modules"], style)
    apart = reasons(model, (pred, target), further, missing, matched, hooks["extra"], path)
    explained = [call for some in apart.values() for call in some]
    result |= hooks | {"apart": {reason: list(map(described, some)) for reason, some in apart.items()}}
    result["extra"] = surplus(calls, hooks["extra"], apart)
    result |= {"expected": hooks["expected"] - len(explained), "missing": [described(call) for call in missing if call not in explained]}
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
        if result[f"{label} gradient"] > TOLERANCE:
            printed("compile", str(path), *arguments, "--config", str(work / "config.json"), "--input", ",".join(map(str, pred.shape)), "--out", str(work / "compiled.onnx"))
            found_limits = limits(model, set(matched), spec, pred, target, further, grad, work / "compiled.onnx")
            result |= {f"{label} {what}": value for what, value in found_limits.items()}
            (work / "compiled.onnx").unlink()
        ordered = [matched[call.path, call.number] for call in calls if (call.path, call.number) in matched]
        result["order"] = [hook["path"] for hook in found["hooks"]] == ordered
    return result


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
