"""Writes assets/lpips-*.onnx: the networks of LPIPS (Zhang et al. 2018, arXiv:1801.03924), version 0.1.

    pip install torch torchvision onnx onnxscript
    python make_lpips.py

Each file holds a network up to its last hook, and as outputs `lin0`, `lin1` … the weight of each channel at each hook.
AlexNet has its ImageNet weights in it; VGG16 and SqueezeNet take theirs as inputs. Origins and licences:
../THIRD_PARTY_NOTICES.md.
"""

from __future__ import annotations

import torch
import torchvision

from packages import unpacked
from trunks import imagenet, write

# What of torchvision's `features` is needed.
LAYERS = {"alex": 12, "vgg": 30, "squeeze": 13}


def heads(net: str) -> dict[str, torch.Tensor]:
    """[1, C, 1, 1] by name, in order."""
    path = unpacked("lpips") / "lpips" / "weights" / "v0.1" / f"{net}.pth"
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {f"lin{i}": state[f"lin{i}.model.1.weight"] for i in range(len(state))}


def main() -> None:
    models = torchvision.models
    trunks = {
        "alex": imagenet("alexnet"),
        "vgg": models.vgg16(weights=None).features,
        "squeeze": models.squeezenet1_1(weights=None).features,
    }
    for net, features in trunks.items():
        write(f"lpips-{net}.onnx", features[: LAYERS[net]], heads(net), with_weights=net == "alex")


if __name__ == "__main__":
    main()
