"""One side of the training benchmark: a U-Net on the original loss in PyTorch.

    python torch_unet.py export OUT_TEACHER.onnx      (a torch that exports: 2.x)
    python torch_unet.py run                          (the torch that is timed)

`run` prints torch's version; then each line on stdin runs one step, whose milliseconds and the process's peak memory in
MB go to stdout.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "fixtures"))

import torch
import torch.nn as nn
from models.unet import UNet
from models.vgg import Normalize, VggFeatures
from reference import GlobalPercConfig, GlobalPercLoss, NormalizedTensorLoss

SHAPE = (8, 3, 128, 128)
PLAN = (64, 64, "M", 128, 128, "M", 256, 256)


def teacher() -> nn.Module:
    torch.manual_seed(1)
    return VggFeatures(PLAN).eval()


def export(path: str) -> None:
    sizes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    torch.onnx.export(
        teacher(), (torch.rand(SHAPE),), path, dynamo=True, external_data=False, input_names=["image"],
        dynamic_shapes=(sizes,),
    )  # fmt: skip


def run() -> None:
    classes = (nn.Conv2d, nn.ReLU)
    config = GlobalPercConfig(NormalizedTensorLoss("l2"), classes, 1.0, 2.0, 3.0, transform=Normalize())
    perceptual = GlobalPercLoss(teacher(), config)  # Freezes the teacher; its pass on the target records no gradient.
    torch.manual_seed(0)
    student = UNet(3, 32, 3, depth=3)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-3, weight_decay=0.01)
    x, target = torch.rand(SHAPE), torch.rand(SHAPE)
    print(torch.__version__, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        perceptual(student(x), target).loss.backward()
        optimizer.step()
        milliseconds = (time.perf_counter() - start) * 1000
        print(milliseconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "export":
        export(sys.argv[2])
    else:
        run()
