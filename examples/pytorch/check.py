"""Holds compiled losses in PyTorch to the original loss in PyTorch, and runs the training scripts beside this file.

    python check.py        (after `npm ci`; needs torch, torchvision, onnx, onnxscript, onnxruntime, pillow)
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import onnx
import torch
import torchvision
from onnx import numpy_helper
from torch import Tensor, nn

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "fixtures"))

import reference  # noqa: E402
from check_ddp import ALEXNET, ALEXNET_CONFIG, SIZE, batch, check_ddp, check_script, compile_loss, distance, gradients  # noqa: E402
from globalperc_loss import GlobalPercLoss  # noqa: E402
from models.transformers import Vit  # noqa: E402
from student import Student  # noqa: E402

VIT_SIZE = (3, 42, 56)
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
VIT_CONFIG = {
    "startWeight": 1, "endWeight": 2, "curveForce": 3,
    "modulesToHook": ["Linear", "Conv2d", "ReLU", "GELU"],
    "transformNormalization": [{"normalize": {"mean": MEAN, "std": STD}}],
    "lossFunc": {"type": "l2", "norm": "cosine"},
}  # fmt: skip


class Normalize(nn.Module):
    """(x - MEAN) / STD, channel by channel."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(STD).reshape(-1, 1, 1))

    def forward(self, x):
        return (x - self.mean) / self.std


def alexnet_in_torch() -> nn.Module:
    """The network in assets/lpips-alex.onnx, by torchvision."""
    layers = torchvision.models.alexnet(weights=None).features[:12]
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # A hook on the convolution before it would see the ReLU's output.
    stored = {tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in onnx.load(ALEXNET).graph.initializer}
    layers.load_state_dict({name: stored[f"features.{name}"] for name in layers.state_dict()})
    return layers


def original(model: nn.Module, kind: str, **options) -> reference.GlobalPercLoss:
    cosine = reference.NormalizedTensorLoss(kind, "mean", "cosine")
    return reference.GlobalPercLoss(model, reference.GlobalPercConfig(cosine, transform=Normalize(), **options))


def vit_and_its_loss(folder: Path) -> tuple[GlobalPercLoss, reference.GlobalPercLoss]:
    """From a module of PyTorch through torch.onnx.export, with the configuration of the original's own example."""
    torch.manual_seed(3)
    vit = Vit().eval().requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = (torch.rand(2, *VIT_SIZE),)
        torch.onnx.export(vit, example, folder / "vit.onnx", dynamo=True, external_data=False, verbose=False)
    compile_loss(folder / "vit.onnx", (2, *VIT_SIZE), folder / "vit-2.onnx", VIT_CONFIG)
    classes = tuple(getattr(nn, name) for name in VIT_CONFIG["modulesToHook"])
    theirs = original(vit, "l2", modules_to_hook=classes, curve_force=3)
    return GlobalPercLoss(folder / "vit-2.onnx"), theirs


def check_gradients(label: str, ours: GlobalPercLoss, theirs, x: Tensor, y: Tensor) -> None:
    """Against the original in float64: the loss, and what reaches the weights of a student."""
    torch.manual_seed(0)
    student = Student()
    loss, grad = gradients(student, ours, x, y)
    exact, expected = gradients(student.double(), lambda a, b: theirs.double()(a, b).loss, x.double(), y.double())
    error = distance(grad, expected)
    print(f"{label}: loss {loss:.6f}, original {exact:.6f}; gradient of the weights within {error:.1e}", flush=True)
    assert abs(loss - exact) <= 1e-4 * exact
    assert error <= 1e-3


def check_module(loss_fn: GlobalPercLoss) -> None:
    """What a module of PyTorch must get right besides: scaling, sums of losses, layouts, precisions, refusals."""
    torch.manual_seed(1)
    x, y = torch.rand(2, *SIZE), torch.rand(2, *SIZE)

    def grad(loss_of, image=x) -> Tensor:
        image = image.clone().requires_grad_()
        return torch.autograd.grad(loss_of(image), image)[0].double()

    plain = grad(lambda image: loss_fn(image, y))
    l1 = grad(lambda image: nn.functional.l1_loss(image, y))
    mixed = grad(lambda image: 3 * loss_fn(image, y) + nn.functional.l1_loss(image, y))
    assert distance(mixed, 3 * plain + l1) <= 1e-5
    strided = grad(lambda image: loss_fn(image, y), x.to(memory_format=torch.channels_last))
    assert distance(strided, plain) <= 1e-5
    half = grad(lambda image: loss_fn(image, y), x.bfloat16())
    assert half.shape == plain.shape and distance(half, plain) <= 0.1
    with torch.no_grad():
        value = loss_fn(x, y)
    assert not value.requires_grad and abs(value - loss_fn(x.requires_grad_(), y)) <= 1e-5 * value
    assert loss_fn.hook_losses.shape == (5,) and not loss_fn.hook_losses.requires_grad
    refused = {
        "no loss was compiled for shape [3, 3, 64, 64]": lambda: loss_fn(torch.rand(3, *SIZE), torch.rand(3, *SIZE)),
        "they must be the same": lambda: loss_fn(x, torch.rand(2, 3, 64, 65)),
        "pred should hold floats in the range the model expects, got torch.uint8": lambda: loss_fn(x.byte(), y),
        "no file missing.onnx": lambda: GlobalPercLoss("missing.onnx"),
        "was not written by globalperc compile": lambda: GlobalPercLoss(ALEXNET),
        "needs at least one file": lambda: GlobalPercLoss(),
    }
    for message, call in refused.items():
        try:
            call()
        except (ValueError, TypeError, FileNotFoundError) as error:
            assert message in str(error) and "\n" not in str(error), error
        else:
            raise AssertionError(f"not refused: {message}")
    print("module: scaled and added, channels last, bfloat16, no_grad, refusals", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in (1, 2, 4):
            compile_loss(ALEXNET, (size, *SIZE), folder / f"loss-{size}.onnx", ALEXNET_CONFIG)
        loss_fn = GlobalPercLoss(*(folder / f"loss-{size}.onnx" for size in (1, 2, 4)))
        for size in (1, 2, 4):
            theirs = original(alexnet_in_torch(), "l1", modules_to_hook=(nn.ReLU,))
            check_gradients(f"AlexNet, batch {size}", loss_fn, theirs, *batch(0, size))
        check_module(loss_fn)

        images = (image[..., : VIT_SIZE[1], : VIT_SIZE[2]] for image in batch(0, 2))
        check_gradients("ViT, batch 2", *vit_and_its_loss(folder), *images)
        check_ddp(folder)
        for script in ("train.py", "train_globalperc.py"):
            check_script(folder, script)


if __name__ == "__main__":
    main()
