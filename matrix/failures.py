"""Why rows of MODELS.md fail, by architecture: what was found by comparing the file's values with float64, node by node."""

FAILURES = {
    "VGG-11": (
        "in plain l2, three of the 200704 windows of features.10 (max-pooling) hold two values that agree within float32's "
        "rounding: the other one is the largest than in float64, and the gradient goes there; no ReLU differs"
    ),
    "VGG-16 with batch norm": (
        "in plain l2, two windows of features.6 (max-pooling) and the inputs of four ReLUs lie within float32's rounding of a tie "
        "or of zero and are decided otherwise than in float64; PyTorch's float32 is off as far"
    ),
    "CLIP RN50": (
        "in plain l2, the inputs of two ReLUs lie within float32's rounding of zero and are decided otherwise than in float64; PyTorch's "
        "float32 is off as far"
    ),
    "Hiera": (
        "under the cosine, three windows of the max-poolings over four tokens hold two values that tie or change places in "
        "float32, so that the gradient goes elsewhere or is shared; PyTorch's float32 is off twice as far"
    ),
    "LeViT": (
        "under the cosine, one of the 512 vectors of stages.2.blocks.0.attn.qkv.linear has a length of 7.5e-6 where the middle one has "
        "0.71; float32 rounds it by 3 %, and its part of the gradient, which grows as 1/length, is a fifth of the whole"
    ),
    "SegFormer": (
        "ONNX Runtime made one Attention of the products with query, key and value in the last block: what they give is not in the "
        "file any more"
    ),
}
