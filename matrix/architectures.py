"""The architectures of the matrix: small, with random weights. Each entry makes a module and its inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

import torch
import torch.nn as nn


@dataclass
class Architecture:
    """`make()` gives the module; `shape` is that of the image, the module's first input; `further` are its others by name."""

    source: str
    make: Callable[[], nn.Module]
    shape: tuple
    further: dict = field(default_factory=dict)
    # Styles that cannot be exported, with the exporter's reason.
    unavailable: dict = field(default_factory=dict)


class Wrapper(nn.Module):
    """Calls a model of transformers or diffusers by keyword and returns one tensor: the named one, or its first."""

    def __init__(self, model: nn.Module, first: str, *names: str, call: str | None = None, output: str | None = None):
        super().__init__()
        self.model, self.names, self.call, self.output = model, (first, *names), call, output

    def forward(self, *inputs):
        method = getattr(self.model, self.call) if self.call else self.model
        found = method(**dict(zip(self.names, inputs)))
        return first_tensor(found[self.output] if self.output else found)


def first_tensor(output) -> torch.Tensor:
    while not isinstance(output, torch.Tensor):
        output = next(iter(output.values())) if isinstance(output, dict) else output[0]
    return output


def torchvision(name: str, side: int = 64, shape: tuple | None = None, module: str = "", **options) -> Architecture:
    def make() -> nn.Module:
        from torchvision import models

        for part in module.split("."):
            models = getattr(models, part) if part else models
        return getattr(models, name)(weights=None, **options)

    return Architecture("torchvision", make, shape or (1, 3, side, side))


def timm(name: str, side: int = 64, **options) -> Architecture:
    def make() -> nn.Module:
        from timm import create_model

        return create_model(name, pretrained=False, **options)

    return Architecture("timm", make, (1, 3, side, side))


def transformers(model: str, config: str, shape: tuple, further: dict | None = None, part: str = "", call: str | None = None, first: str = "pixel_values", output: str | None = None, **options) -> Architecture:
    further = further or {}

    def make() -> nn.Module:
        import transformers as library

        made = getattr(library, model)(getattr(library, config)(**options))
        for name in part.split("."):
            made = getattr(made, name) if name else made
        made.set_attn_implementation("eager")
        if hasattr(getattr(made, "pooler", None), "dense"):
            made.pooler = None  # computes a second output, which the file would not have
        return Wrapper(made, first, *further, call=call, output=output)

    return Architecture("transformers", make, shape, further)


def diffusers(model: str, shape: tuple, further: dict | None = None, call: str | None = None, first: str = "sample", nested: dict | None = None, **options) -> Architecture:
    """`nested` inputs are those that diffusers takes in a dictionary, `added_cond_kwargs`."""
    further, nested = further or {}, nested or {}

    def make() -> nn.Module:
        import diffusers as library

        made = getattr(library, model)(**options)
        if hasattr(made, "set_attn_processor"):
            made.set_attn_processor(library.models.attention_processor.AttnProcessor())
        wrapper = Nested if nested else Wrapper
        return wrapper(made, first, *further, *nested, call=call)

    return Architecture("diffusers", make, shape, {**further, **nested})


class Nested(Wrapper):
    """As SDXL takes its text embeddings and sizes."""

    def forward(self, sample, timestep, encoder_hidden_states, text_embeds, time_ids):
        added = {"text_embeds": text_embeds, "time_ids": time_ids}
        return self.model(sample, timestep, encoder_hidden_states, added_cond_kwargs=added, return_dict=False)[0]


def vit_config(side: int = 64, patch: int = 16, **more) -> dict:
    return {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96, "image_size": side, "patch_size": patch, **more}


SMALL = {"embed_dim": 96, "depth": 2, "num_heads": 3}
IMAGE = (1, 3, 64, 64)
TEXT = {"input_ids": torch.tensor([[1, 5, 9, 3, 7, 98, 99, 99]]), "attention_mask": torch.ones(1, 8, dtype=torch.int64)}
STATES = torch.randn(1, 7, 32, generator=torch.Generator().manual_seed(4))

ARCHITECTURES: dict[str, Architecture] = {
    # Convolutional networks
    "VGG-11": torchvision("vgg11", 224),
    "VGG-16 with batch norm": torchvision("vgg16_bn", 224),
    "AlexNet": torchvision("alexnet", 224),
    "SqueezeNet 1.1": torchvision("squeezenet1_1"),
    "ResNet-18": torchvision("resnet18"),
    "ResNet-50": torchvision("resnet50"),
    "ResNeXt-50": torchvision("resnext50_32x4d"),
    "Wide ResNet-50": torchvision("wide_resnet50_2"),
    "RegNetX": torchvision("regnet_x_400mf"),
    "RegNetY": torchvision("regnet_y_400mf"),
    "DenseNet-121": torchvision("densenet121"),
    "Inception v3": torchvision("inception_v3", 96, init_weights=False, aux_logits=False),
    "GoogLeNet": torchvision("googlenet", init_weights=False, aux_logits=False),
    "MobileNet v2": torchvision("mobilenet_v2"),
    "MobileNet v3 small": torchvision("mobilenet_v3_small"),
    "MobileNet v3 large": torchvision("mobilenet_v3_large"),
    "EfficientNet B0": torchvision("efficientnet_b0"),
    "EfficientNet v2 S": torchvision("efficientnet_v2_s"),
    "MNASNet": torchvision("mnasnet0_5"),
    "ShuffleNet v2": torchvision("shufflenet_v2_x0_5"),
    "ConvNeXt": timm("convnext_atto"),
    "ConvNeXt v2": timm("convnextv2_atto"),
    "NFNet": timm("nf_resnet26"),
    "GhostNet": timm("ghostnet_050"),
    "HRNet": timm("hrnet_w18_small"),
    "RepVGG": timm("repvgg_a0"),
    "EdgeNeXt": timm("edgenext_xx_small"),
    "FastViT": timm("fastvit_t8"),
    "MambaOut": timm("mambaout_femto"),
    "CLIP RN50": timm("resnet50_clip", 224),
    "DeepLab v3": torchvision("deeplabv3_mobilenet_v3_large", module="segmentation", weights_backbone=None),
    "R3D-18 (video)": torchvision("r3d_18", shape=(1, 3, 4, 32, 32), module="video"),
    # Transformers and mixers
    "ViT": timm("vit_base_patch16_224", img_size=64, **SMALL),
    "ViT (transformers)": transformers("ViTModel", "ViTConfig", IMAGE, **vit_config()),
    "ViT with RoPE": timm("vit_base_patch16_rope_reg1_gap_256", img_size=64, **SMALL),
    "DeiT": timm("deit_tiny_patch16_224", img_size=64, depth=2),
    "BEiT": timm("beit_base_patch16_224", img_size=64, **SMALL),
    "Swin": torchvision("swin_t", 64),
    "Swin v2": torchvision("swin_v2_t", 64),
    "MaxViT": torchvision("maxvit_t", 224),
    "CaiT": timm("cait_xxs24_224", img_size=64, depth=2),
    "XCiT": timm("xcit_nano_12_p16_224", img_size=64, depth=2),
    "PoolFormer": timm("poolformer_s12"),
    "MLP-Mixer": timm("mixer_s32_224", img_size=64),
    "EVA-02": timm("eva02_tiny_patch14_224", 56, img_size=56, depth=2),
    "DINOv2": timm("vit_small_patch14_dinov2", 56, img_size=56, depth=2),
    "DINOv2 with registers": timm("vit_small_patch14_reg4_dinov2", 56, img_size=56, depth=2),
    "DINOv2 (transformers)": transformers("Dinov2Model", "Dinov2Config", (1, 3, 56, 56), **vit_config(70, 14, mlp_ratio=2)),
    "DINOv3 ViT": transformers("DINOv3ViTModel", "DINOv3ViTConfig", IMAGE, **vit_config(num_register_tokens=2)),
    "DINOv3 ConvNeXt": transformers("DINOv3ConvNextModel", "DINOv3ConvNextConfig", IMAGE, hidden_sizes=[16, 24, 32, 40], depths=[1, 1, 2, 1]),
    "Hiera": timm("hiera_tiny_224", 224),
    "TinyViT": timm("tiny_vit_5m_224", 224),
    "EfficientFormer": timm("efficientformer_l1", 224),
    "MobileViT": timm("mobilevit_xxs"),
    "LeViT": timm("levit_128s", 224),
    "PVT v2": timm("pvt_v2_b0"),
    "Twins": timm("twins_pcpvt_small", 224),
    "CrossViT": timm("crossvit_tiny_240", 240),
    "GC ViT": timm("gcvit_xxtiny", 224),
    "DaViT": timm("davit_tiny"),
    "FocalNet": timm("focalnet_tiny_srf"),
    "SigLIP": timm("vit_base_patch16_siglip_224", img_size=64, **SMALL),
    "SigLIP 2": transformers("SiglipVisionModel", "SiglipVisionConfig", IMAGE, **vit_config()),
    "CLIP ViT": transformers("CLIPVisionModelWithProjection", "CLIPVisionConfig", IMAGE, **vit_config(projection_dim=32)),
    "CLIP, image and text": transformers(
        "CLIPModel", "CLIPConfig", IMAGE, {**TEXT},
        vision_config=vit_config(), text_config={"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 100, "max_position_embeddings": 16, "eos_token_id": 99}, projection_dim=24,
    ),
    "SAM image encoder": transformers(
        "SamModel", "SamConfig", IMAGE, part="vision_encoder",
        vision_config={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 64, "patch_size": 8, "output_channels": 16, "window_size": 4, "global_attn_indexes": [1], "num_pos_feats": 8},
    ),
    "SAM prompt and mask decoder": transformers(
        "SamModel", "SamConfig", (1, 16, 8, 8), {"input_points": torch.tensor([[[[20.0, 30.0], [40.0, 10.0]]]]), "input_labels": torch.tensor([[[1, 0]]])}, first="image_embeddings", output="pred_masks",
        vision_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64, "patch_size": 8, "output_channels": 16, "num_pos_feats": 8},
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 16, "mlp_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "iou_head_hidden_dim": 16},
    ),
    "SAM 2 image encoder": transformers(
        "Sam2VisionModel", "Sam2VisionConfig", (1, 3, 128, 128),
        backbone_config={"model_type": "sam2_hiera_det_model", "hidden_size": 16, "num_attention_heads": 1, "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [16, 32, 64, 128], "num_attention_heads_per_stage": [1, 2, 4, 8], "window_size_per_stage": [8, 4, 4, 4], "global_attention_blocks": [3], "image_size": [128, 128], "window_positional_embedding_background_size": [7, 7]},
        backbone_channel_list=[128, 64, 32, 16], backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]], fpn_hidden_size=32,
    ),
    "ResNet (transformers)": transformers("ResNetModel", "ResNetConfig", IMAGE, embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[2, 1, 1, 1]),
    "ConvNeXt (transformers)": transformers("ConvNextModel", "ConvNextConfig", IMAGE, hidden_sizes=[16, 24, 32, 40], depths=[1, 1, 2, 1]),
    "Swin (transformers)": transformers("SwinModel", "SwinConfig", IMAGE, image_size=64, patch_size=4, embed_dim=24, depths=[2, 2], num_heads=[2, 4], window_size=4),
    "Swin v2 (transformers)": transformers("Swinv2Model", "Swinv2Config", IMAGE, image_size=64, patch_size=4, embed_dim=24, depths=[2, 2], num_heads=[2, 4], window_size=4),
    "ConvNeXt v2 (transformers)": transformers("ConvNextV2Model", "ConvNextV2Config", IMAGE, hidden_sizes=[16, 24, 32, 40], depths=[1, 1, 2, 1]),
    "DINOv2 with registers (transformers)": transformers("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", (1, 3, 56, 56), **vit_config(70, 14, mlp_ratio=2, num_register_tokens=2)),
    "MobileNet v2 (transformers)": transformers("MobileNetV2Model", "MobileNetV2Config", IMAGE, image_size=64, depth_multiplier=0.35),
    "BEiT (transformers)": transformers("BeitModel", "BeitConfig", IMAGE, **vit_config()),
    "DeiT (transformers)": transformers("DeiTModel", "DeiTConfig", IMAGE, **vit_config()),
    "MobileViT (transformers)": transformers(
        "MobileViTModel", "MobileViTConfig", IMAGE, image_size=64, hidden_sizes=[24, 32, 40], neck_hidden_sizes=[8, 16, 24, 32, 40, 48, 64]
    ),
    "SegFormer": transformers("SegformerModel", "SegformerConfig", IMAGE, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 4, 8]),
    "DPT": transformers("DPTForDepthEstimation", "DPTConfig", IMAGE, **vit_config(num_hidden_layers=4, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[16, 24, 32, 48], fusion_hidden_size=24, is_hybrid=False)),
    "Depth Anything v2": transformers(
        "DepthAnythingForDepthEstimation", "DepthAnythingConfig", (1, 3, 56, 56),
        backbone_config={"model_type": "dinov2", **vit_config(56, 14, mlp_ratio=2, num_hidden_layers=4), "out_indices": [1, 2, 3, 4], "reshape_hidden_states": False, "apply_layernorm": True},
        neck_hidden_sizes=[16, 24, 32, 48], fusion_hidden_size=24, reassemble_hidden_size=48, patch_size=14,
    ),
    # Parts of diffusion models
    "Stable Diffusion 1.5 U-Net": diffusers(
        "UNet2DConditionModel", (1, 4, 16, 16), {"timestep": torch.tensor(10.0), "encoder_hidden_states": STATES},
        block_out_channels=(16, 32, 32, 32), attention_head_dim=4, cross_attention_dim=32, norm_num_groups=4, layers_per_block=1, sample_size=16,
    ),
    "SDXL U-Net": diffusers(
        "UNet2DConditionModel", (1, 4, 16, 16), {"timestep": torch.tensor(10.0), "encoder_hidden_states": STATES},
        nested={"text_embeds": STATES[:, 0, :16].contiguous(), "time_ids": torch.tensor([[16.0, 16, 0, 0, 16, 16]])},
        block_out_channels=(16, 32, 32), attention_head_dim=(2, 4, 4), cross_attention_dim=32, norm_num_groups=4, layers_per_block=1, sample_size=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2), addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=64, use_linear_projection=True,
    ),
    "VAE encoder": diffusers("AutoencoderKL", (1, 3, 32, 32), call="_encode", first="x", block_out_channels=(16, 32), norm_num_groups=4, layers_per_block=1, down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2),
    "VAE decoder": diffusers("AutoencoderKL", (1, 4, 8, 8), call="_decode", first="z", block_out_channels=(16, 32), norm_num_groups=4, layers_per_block=1, down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2),
    "TAESD encoder": diffusers("AutoencoderTiny", (1, 3, 32, 32), call="encode", first="x", encoder_block_out_channels=(16, 16, 16, 16), decoder_block_out_channels=(16, 16, 16, 16)),
    "TAESD decoder": diffusers("AutoencoderTiny", (1, 4, 4, 4), call="decode", first="x", encoder_block_out_channels=(16, 16, 16, 16), decoder_block_out_channels=(16, 16, 16, 16)),
}
