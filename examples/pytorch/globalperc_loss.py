"""Losses compiled by `globalperc compile` as PyTorch modules, run by ONNX Runtime: `pip install torch onnxruntime`."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class GlobalPercLoss(nn.Module):
    """CompiledFile losses of one model, one file for each shape `[B, C, H, W]` that occurs in training.

    The file whose shape is that of the prediction computes loss and gradient, in float32 and on the host; it is the
    gradient of the prediction alone, as the target carries none.

        loss_fn = GlobalPercLoss("loss-8.onnx", "loss-3.onnx")  # batches of 8; the last of an epoch holds 3
        loss = loss_fn(student(x), y)
        loss.backward()

    `session` is passed on to `onnxruntime.InferenceSession`, such as `providers=["CUDAExecutionProvider"]`. It uses as
    many threads as PyTorch does, unless `sess_options` says otherwise.

    Raises FileNotFoundError for a missing file, ValueError for one that is no compiled loss.
    """

    def __init__(self, *files: str | PathLike, **session):
        super().__init__()
        if not files:
            raise ValueError("GlobalPercLoss needs at least one file written by `globalperc compile`")
        options = {"sess_options": default_options(), **session}
        compiled = [CompiledFile(str(file), options) for file in files]
        self.compiled = {loss.shape: loss for loss in compiled}
        #: Losses of the single hooks at the last call, unweighted, `[hooks]`.
        self.hook_losses: Tensor | None = None

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """The loss, a scalar. Raises ValueError for a shape that no file was compiled for, TypeError for integers."""
        for name, image in (("pred", pred), ("target", target)):
            if not image.is_floating_point():
                raise TypeError(f"{name} should hold floats in the range the model expects, got {image.dtype}")
        if pred.shape != target.shape:
            raise ValueError(f"pred has shape {list(pred.shape)}, target {list(target.shape)}: they must be the same")
        compiled = self.compiled_for(tuple(pred.shape))
        loss, self.hook_losses = CompiledFunction.apply(pred.float(), target.float(), compiled)
        return loss

    def compiled_for(self, shape: tuple[int, ...]) -> CompiledFile:
        if shape in self.compiled:
            return self.compiled[shape]
        known = ", ".join(f"{list(other)} ({loss.file})" for other, loss in self.compiled.items())
        raise ValueError(
            f"no loss was compiled for shape {list(shape)}, only for {known}; "
            f"run globalperc compile MODEL --input {','.join(map(str, shape))} --out FILE and give that file too"
        )


class CompiledFile:
    """One file: inputs pred, target; outputs loss, grad, hook_losses."""

    def __init__(self, file: str, options: dict):
        if not Path(file).is_file():
            raise FileNotFoundError(f"no file {file}: globalperc compile MODEL --input B,C,H,W --out {file} writes it")
        self.file = file
        self.session = onnxruntime.InferenceSession(file, **options)
        inputs = {value.name: value for value in self.session.get_inputs()}
        outputs = {value.name for value in self.session.get_outputs()}
        if not {"pred", "target"} <= inputs.keys() or not {"loss", "grad", "hook_losses"} <= outputs:
            raise ValueError(f"{file} was not written by globalperc compile: inputs {[*inputs]}, outputs {[*outputs]}")
        further = [name for name in inputs if name not in ("pred", "target")]
        if further:
            raise ValueError(f"{file} needs values for {further}: compile it with --set {further[0]}=VALUE")
        self.shape = tuple(inputs["pred"].shape)

    def run(self, pred: Tensor, target: Tensor, outputs: list[str]) -> list[Tensor]:
        options = onnxruntime.RunOptions()
        options.only_execute_path_to_fetches = True  # Without gradients, the backward half is not run.
        feeds = {"pred": pred.numpy(force=True), "target": target.numpy(force=True)}
        return [torch.as_tensor(array, device=pred.device) for array in self.session.run(outputs, feeds, options)]


class CompiledFunction(torch.autograd.Function):
    """The gradient comes with the loss; backward only multiplies it by what comes from above."""

    @staticmethod
    def forward(ctx, pred: Tensor, target: Tensor, compiled: CompiledFile) -> tuple[Tensor, Tensor]:
        outputs = ["loss", "hook_losses", "grad"]
        loss, hooks, *grad = compiled.run(pred, target, outputs if ctx.needs_input_grad[0] else outputs[:2])
        ctx.save_for_backward(*grad)
        ctx.mark_non_differentiable(hooks)
        return loss, hooks

    @staticmethod
    @once_differentiable
    def backward(ctx, from_loss: Tensor, _) -> tuple[Tensor, None, None]:
        (grad,) = ctx.saved_tensors
        return from_loss * grad, None, None


def default_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # ONNX Runtime (seen in 1.30) gives a max-pooling the zeros of a padding before it wrongly, beside negative numbers.
    options.add_session_config_entry("optimization.disable_specified_optimizers", "Pad_Fusion")
    return options
