"""The other side of bench/stable-diffusion.mjs.

    python stable_diffusion.py FOLDER write                  # Stable Diffusion 1.5's U-Net with random weights
    python stable_diffusion.py FOLDER SIDE [checkpointing]   # a step for every line on stdin, as JSON
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
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


def run(folder: Path, side: int, checkpointing: bool) -> None:
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

    def step() -> float:
        noise, t = torch.randn_like(latents), torch.randint(0, 1000, (1,))
        prediction = unet(schedule.add_noise(latents, noise, t), t, text).sample
        snr = compute_snr(schedule, t)
        loss = (F.mse_loss(prediction, noise) * snr.clamp(max=5) / snr).sum()
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
    write(Path(folder)) if what == "write" else run(Path(folder), int(what), "checkpointing" in rest)
