"""Two processes with half of every batch each have the gradients of one with all of it, and train_ddp.py trains.

    python check_ddp.py        (after `npm ci`; needs torch, from 1.13 on, onnxruntime and pillow)
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from globalperc_loss import GlobalPercLoss
from photos import Photos
from student import Student

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ALEXNET = ROOT / "assets" / "lpips-alex.onnx"
ALEXNET_CONFIG = json.loads((HERE / "loss.json").read_text())
SIZE = (3, 64, 64)


def compile_loss(model: Path, shape: tuple, out: Path, config: dict) -> None:
    command = ["node", ROOT / "dist" / "cli" / "main.js", "compile", model, "--out", out]
    command += ["--input", ",".join(map(str, shape)), "--config", out.with_suffix(".json")]
    out.with_suffix(".json").write_text(json.dumps(config))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def gradients(student: nn.Module, loss_fn, x: Tensor, y: Tensor) -> tuple[float, Tensor]:
    """Loss, and all gradients of the student's weights in one vector."""
    student.zero_grad()
    loss = loss_fn(student(x), y)
    loss.backward()
    return loss.item(), torch.cat([weight.grad.flatten() for weight in student.parameters()]).double()


def distance(ours: Tensor, expected: Tensor) -> float:
    return float((ours.double() - expected).norm() / expected.norm())


def batch(start: int, size: int) -> tuple[Tensor, Tensor]:
    photos = Photos(48)
    return tuple(torch.stack(images) for images in zip(*(photos[start + i] for i in range(size))))


def work(rank: int, folder: Path) -> None:
    """One of two processes: the gradients that DistributedDataParallel averages, for half of every batch."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=2)
    torch.manual_seed(0)
    student, loss_fn = DistributedDataParallel(Student()), GlobalPercLoss(folder / "loss-2.onnx")
    found = [gradients(student, loss_fn, *batch(start + 2 * rank, 2))[1] for start in range(0, 48, 4)]
    torch.save(found, folder / f"gradients-{rank}.pt")
    dist.destroy_process_group()


def check_ddp(folder: Path) -> None:
    mp.spawn(work, (folder,), nprocs=2)
    torch.manual_seed(0)
    student, loss_fn = Student(), GlobalPercLoss(folder / "loss-4.onnx")
    expected = [gradients(student, loss_fn, *batch(start, 4))[1] for start in range(0, 48, 4)]
    for rank in range(2):
        found = torch.load(folder / f"gradients-{rank}.pt")
        worst = max(distance(ours, whole) for ours, whole in zip(found, expected, strict=True))
        print(f"DDP, process {rank} of 2 with 2 images: gradients of 12 batches of 4 within {worst:.1e}", flush=True)
        assert worst <= 1e-5
    check_script(folder, "train_ddp.py", processes=2)


def check_script(folder: Path, script: str, processes: int = 1) -> None:
    """Runs a training script as torchrun does, which in PyTorch 1.13 does not know Python 3.11."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(processes)}
    command = [sys.executable, str(HERE / script)]
    started = [
        subprocess.Popen(command, cwd=folder, env={**os.environ, **place, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(processes)
    ]
    printed = [process.communicate()[0] for process in started]
    assert not any(process.returncode for process in started)
    losses = [float(loss) for loss in re.findall(r"^epoch \d+: loss (\S+)$", printed[0], re.MULTILINE)]
    print(f"{script}: {losses}", flush=True)
    assert len(losses) == 3 and losses[2] < 0.95 * losses[0]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for size in (2, 4):
            compile_loss(ALEXNET, (size, *SIZE), Path(name) / f"loss-{size}.onnx", ALEXNET_CONFIG)
        check_ddp(Path(name))
