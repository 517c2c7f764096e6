"""Pairs to learn from: photographs at half their resolution, and as they were."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import Dataset

NAMES = ("french-alpine-landscape", "black-canyon", "locomotion-house-cat", "allium-oreophilum")
FOLDER = Path(__file__).parents[2] / "node_modules" / "@stdlib"


class Photos(Dataset):
    """`count` crops of photographs: input and target, [3, 64, 64] in [0, 1]."""

    def __init__(self, count: int, side: int = 64):
        tiles = []
        for name in NAMES:
            photo = Image.open(FOLDER / f"datasets-img-{name}" / "data" / "image.jpg").convert("RGB")
            half = F.avg_pool2d(torch.from_numpy(np.array(photo)).permute(2, 0, 1) / 255, 2)
            tiles += half.unfold(1, side, side).unfold(2, side, side).flatten(1, 2).unbind(1)
        self.targets = tiles[:: len(tiles) // count][:count]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int):
        target = self.targets[index]
        small = F.avg_pool2d(target[None], 2)
        return F.interpolate(small, scale_factor=2, mode="bilinear")[0], target
