"""PyTorch's side of the benchmark against rivals.

    python theirs.py export WORKLOAD OUT.onnx   the teacher, with open height and width
    python theirs.py arithmetic WORKLOAD        floating-point operations of a step, and how many the machine does per second
    python theirs.py run WORKLOAD VARIANT       a first line {"version"}; then a step per line of stdin, answered by {"ms", "mb"}

Variants of a loss: "original" (nothing is frozen, as the original code has it), "frozen" (the teacher's weights take no gradient and the
target is read under no_grad), "cached" (the target's activations are known), "compiled" ("frozen", by torch.compile). "plain attention" is
"frozen" with softmax(QKᵀ)V written out, where the others call scaled_dot_product_attention.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "fixtures"))

import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
from models import transformers
from models.unet import UNet
from models.vgg import Normalize, VggFeatures
from reference import GlobalPercConfig, GlobalPercLoss, NormalizedTensorLoss
from torch.utils.flop_counter import FlopCounterMode

HOOKED = (nn.Linear, nn.Conv2d, nn.ReLU, nn.GELU)
WORKLOADS = json.loads((Path(__file__).parent / "workloads.json").read_text())


class FusedAttention(transformers.Attention):
    """The same, as people write it today."""

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c))


def vit_small(fused: bool) -> nn.Module:
    """DINOv2's ViT-S/14 with four registers: its layers, random weights."""
    model = transformers.Vit(dim=384, depth=12, heads=6, ratio=4, registers=4, grid=37)
    for module in model.modules():
        if fused and type(module) is transformers.Attention:
            module.__class__ = FusedAttention
    return model


def teacher(name: str, fused: bool = True) -> nn.Module:
    torch.manual_seed(0)
    build = {
        "ViT-S/14": lambda: vit_small(fused),
        "VGG16": lambda: torchvision.models.vgg16(weights=None).features,
        "ResNet-50": lambda: torchvision.models.resnet50(weights=None),
        "ConvNeXt-T": lambda: torchvision.models.convnext_tiny(weights=None),
        "VGG-like": lambda: VggFeatures((64, 64, "M", 128, 128, "M", 256, 256)),
    }[name]
    model = build().eval()
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return model


def images(workload: dict) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(workload["shape"]), torch.rand(workload["shape"])


def loss_of(workload: dict, fused: bool = True) -> GlobalPercLoss:
    transform = Normalize() if workload.get("student") else None
    config = GlobalPercConfig(NormalizedTensorLoss("l2"), HOOKED, 1.0, 2.0, 3.0, transform=transform)
    return GlobalPercLoss(teacher(workload["teacher"], fused), config)


def loss_step(workload: dict, variant: str, fused: bool = True) -> Callable[[], None]:
    perceptual = loss_of(workload, fused and variant != "plain attention")
    perceptual.model.requires_grad_(variant == "original")
    pred, target = images(workload)
    if variant == "compiled":
        perceptual.distances = torch.compile(perceptual.distances)
    if variant == "cached":
        with torch.no_grad():
            known = perceptual.calls(target)
        calls = perceptual.calls
        perceptual.calls = lambda x: known if x is target else calls(x)

    def step() -> None:
        perceptual(pred.clone().requires_grad_(), target).loss.backward()
        perceptual.model.zero_grad(set_to_none=True)

    return step


def training_step(workload: dict, variant: str) -> Callable[[], None]:
    perceptual = loss_of(workload)
    torch.manual_seed(0)
    student = UNet(3, 32, 3, depth=3)
    forward = torch.compile(student) if variant == "compiled" else student
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-3, weight_decay=0.01)
    x, target = images(workload)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        perceptual(forward(x), target).loss.backward()
        optimizer.step()

    return step


def step_of(workload: dict, variant: str) -> Callable[[], None]:
    return (training_step if workload.get("student") else loss_step)(workload, variant)


def run(workload: dict, variant: str) -> None:
    step = step_of(workload, variant)
    step()  # What happens once, such as compiling, is not timed.
    print(json.dumps({"version": torch.__version__}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        step()
        ms = (time.perf_counter() - start) * 1000
        print(json.dumps({"ms": ms, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


def matrix_rate(size: int = 2048, rounds: int = 10) -> float:
    """Operations per second in a float32 product, the best of some."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)


def operations(step: Callable[[], None]) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def arithmetic(workload: dict) -> None:
    """Products alone, with the teacher frozen and the target read anew, or known."""
    # Written out, each product of attention is counted once; the fused operator would count those it repeats.
    count = operations(step_of(workload, "plain attention"))
    known = count if workload.get("student") else operations(loss_step(workload, "cached", fused=False))
    print(json.dumps({"operations": count, "cached": known, "rate": matrix_rate()}))


def export(workload: dict, path: str) -> None:
    shape = (2 if workload.get("student") else 1, *workload["shape"][1:])
    sizes = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        teacher(workload["teacher"], fused=False), (torch.rand(shape),), path, dynamo=True, external_data=False,
        input_names=["image"], dynamic_shapes=(sizes if workload.get("student") else {2: sizes[2], 3: sizes[3]},),
    )  # fmt: skip


if __name__ == "__main__":
    command, name, *rest = sys.argv[1:]
    {"export": export, "arithmetic": arithmetic, "run": run}[command](WORKLOADS[name], *rest)
