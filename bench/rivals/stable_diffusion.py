"""The other side of bench/stable-diffusion.mjs.

    python stable_diffusion.py FOLDER write                         # Stable Diffusion 1.5's U-Net with random weights
    python stable_diffusion.py FOLDER SIDE [checkpointing] [dino]   # a step for every line on stdin, as JSON
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.training_utils import compute_snr

SCHEDULER = {"_class_name": "DDPMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def write(folder: Path) -> None:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    unet.save_pretrained(folder / "unet", max_shard_size="20GB")
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))


def peak() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Block(nn.Module):
    """A residual block of the header that reads latents."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second, third = (nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
        self.conv = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + x)


class Layer(nn.Module):
    """A block of a vision transformer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.ls1, self.ls2 = (nn.Parameter(torch.ones(width)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.proj(mixed) * self.ls1
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x)))) * self.ls2


class LatentDino(nn.Module):
    """DINOv2 ViT-S/14 with registers behind the header that reads latents, up to its last hook; the latents are padded by ten zeros."""

    def __init__(self, side: int, width: int = 384, heads: int = 6, depth: int = 12, registers: int = 4) -> None:
        super().__init__()
        self.header = nn.Sequential(
            nn.Conv2d(4, width, 3, padding=1),
            nn.ReLU(),
            *(Block(width) for _ in range(3)),
            nn.Conv2d(width, width, 2, stride=2),
            *(Block(width) for _ in range(3)),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
        )
        # Positions are the same at every step: resampling them once is for a program that knows its shapes.
        self.positions = nn.Parameter(0.02 * torch.randn(1, (side // 2 + 10) ** 2, width))
        self.first = nn.Parameter(1e-6 * torch.randn(1, 1 + registers, width))
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(depth)))
        self.features: list[Tensor] = []
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.register_forward_hook(lambda _, __, output: self.features.append(output))
        self.requires_grad_(False).eval()

    def forward(self, latents: Tensor) -> list[Tensor]:
        self.features = []
        patches = self.header(F.pad(latents, (10, 10, 10, 10))).flatten(2).transpose(1, 2)
        self.layers(torch.cat([self.first, patches + self.positions], 1))
        return self.features


def perceptual(dino: LatentDino, prediction: Tensor, target: Tensor) -> Tensor:
    """The mean of 1 - cos over dim 1 at every Linear, with weights from 1 to 2."""
    with torch.no_grad():
        wanted = dino(target)
    found = dino(prediction)
    distances = torch.stack([(1 - F.cosine_similarity(a, b, dim=1)).abs().mean() for a, b in zip(found, wanted)])
    return (distances * torch.linspace(1, 2, len(found))).sum()


def run(folder: Path, side: int, checkpointing: bool, with_dino: bool) -> None:
    from peft import LoraConfig

    begun = time.perf_counter()
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet").requires_grad_(False)
    unet.add_adapter(LoraConfig(r=8, lora_alpha=8, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    if checkpointing:
        unet.enable_gradient_checkpointing()
    unet.train()
    schedule = DDPMScheduler.from_config(SCHEDULER)
    weights = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-4)
    latents, text = torch.randn(1, 4, side, side), torch.randn(1, 77, 768)
    dino = LatentDino(side) if with_dino else None

    def step() -> float:
        noise, t = torch.randn_like(latents), torch.randint(0, 1000, (1,))
        noisy = schedule.add_noise(latents, noise, t)
        prediction = unet(noisy, t, text).sample
        snr = compute_snr(schedule, t)
        loss = (F.mse_loss(prediction, noise) * snr.clamp(max=5) / snr).sum()
        if dino is not None:
            product = schedule.alphas_cumprod[t].view(-1, 1, 1, 1)
            loss = loss + 0.1 * perceptual(dino, (noisy - (1 - product).sqrt() * prediction) / product.sqrt(), latents)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    def told(start: float, used: float) -> None:
        loss = step()
        about = {"ms": 1000 * (time.perf_counter() - start), "cpu": cpu() - used, "gb": peak(), "loss": loss}
        print(json.dumps(about), flush=True)

    told(begun, 0.0)
    for _ in sys.stdin:
        told(time.perf_counter(), cpu())


if __name__ == "__main__":
    folder, what, *rest = sys.argv[1:]
    write(Path(folder)) if what == "write" else run(Path(folder), int(what), "checkpointing" in rest, "dino" in rest)
