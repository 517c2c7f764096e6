"""Writes assets/dists.onnx: the network of DISTS (Ding et al. 2020, arXiv:2004.07728), VGG16 with L2 pooling.

    pip install torch torchvision onnx onnxscript
    python make_dists.py

VGG16's weights are inputs; the outputs `alpha` and `beta` weigh each channel of the image and of the five stages, and
add up to 1. Origins and licences: ../THIRD_PARTY_NOTICES.md.
"""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision

from packages import unpacked
from trunks import write

POOLS = {4: 64, 9: 128, 16: 256, 23: 512}
LAYERS = 30


class L2Pool2d(nn.Module):
    """sqrt(hann * x² + 10⁻¹²), the 3 × 3 window moving by 2."""

    def __init__(self, channels: int):
        super().__init__()
        side = torch.hann_window(5, periodic=False)[1:-1]
        window = side[:, None] * side
        self.register_buffer("window", (window / window.sum()).repeat(channels, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (F.conv2d(x**2, self.window, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()


def main() -> None:
    features = torchvision.models.vgg16(weights=None).features[:LAYERS]
    for index, channels in POOLS.items():
        features[index] = L2Pool2d(channels)
    weights = torch.load(next(unpacked("dists-pytorch").glob("DISTS_pytorch/weights.pt")), map_location="cpu", weights_only=True)
    total = weights["alpha"].sum() + weights["beta"].sum()
    write("dists.onnx", features, {key: weights[key] / total for key in ("alpha", "beta")}, with_weights=False)


if __name__ == "__main__":
    main()
