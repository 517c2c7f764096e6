"""One side of the benchmark: the original loss in PyTorch. A line on stdin runs one step; its milliseconds go to stdout.

    python torch_step.py export OUT.onnx      (a torch that exports: 2.x)
    python torch_step.py run                  (the torch that is timed)
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "fixtures"))

import torch
import torch.nn as nn
from models.transformers import Vit
from reference import GlobalPercConfig, GlobalPercLoss, NormalizedTensorLoss

SIZE = 504


def vit_small() -> nn.Module:
    """DINOv2's ViT-S/14 with four registers: its layers, random weights."""
    torch.manual_seed(0)
    return Vit(dim=384, depth=12, heads=6, ratio=4, registers=4, grid=37).eval()


def run() -> None:
    # As the original code: the teacher's weights are not frozen, so their gradients are computed too.
    model = vit_small()
    classes = (nn.Linear, nn.Conv2d, nn.ReLU, nn.GELU)
    loss = GlobalPercLoss(model, GlobalPercConfig(NormalizedTensorLoss("l2"), classes, 1.0, 2.0, 3.0))
    model.requires_grad_(True)
    pred, target = torch.rand(1, 3, SIZE, SIZE), torch.rand(1, 3, SIZE, SIZE)
    print(torch.__version__, flush=True)
    for _ in sys.stdin:
        x = pred.clone().requires_grad_()
        start = time.perf_counter()
        loss(x, target).loss.backward()
        milliseconds = (time.perf_counter() - start) * 1000
        model.zero_grad(set_to_none=True)
        print(milliseconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "export":
        x = torch.rand(1, 3, SIZE, SIZE)
        torch.onnx.export(vit_small(), (x,), sys.argv[2], dynamo=True, external_data=False, input_names=["image"])
    else:
        run()
