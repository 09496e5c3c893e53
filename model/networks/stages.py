"""The stage table: everything that distinguishes one variant of the network from another.

Source: Wang, Jin et al., JIFS 2022. Stated there: 7, 7, 9, 9 and 9 convolutions in the encoders (VGG-19's, then own
ones, the last with stride 2), one deconvolution and 8, 8, 8, 6 and 6 convolutions in the decoders. Chosen here: own
convolutions are as wide as their VGG-19 block.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

STRIDE = 32
"""Height and width of the network's input must be multiples of this: five stages of stride 2."""

COMPARER_STRIDE = 16
"""The same of the comparing network: four stages of stride 2."""

KERNEL_SIZE = 3
"""Side of a convolution's kernel."""

DECONV_KERNEL_SIZE = 4
"""Side of the kernel of a deconvolution, which has stride 2."""

INITIALIZERS = ("glorot", "normal")
"""How kernels that are not transferred begin: the paper's, and that of its compare-initial ablation."""

TRANSFER_CHANNELS = ("uniform", "qr")
"""How a narrower network's share of VGG-19's channels is chosen, see `model/networks/narrowing.py`: ours."""


@dataclass(frozen=True)
class EncoderStage:
    """One encoder: `transferred` VGG-19 convolutions, `own` stride-1 convolutions, and one of stride 2, all `width`
    wide."""

    transferred: int
    own: int
    width: int


@dataclass(frozen=True)
class DecoderStage:
    """One decoder: a 4x4 deconvolution of stride 2, then `convs` convolutions on its output and the mirrored encoder's
    features."""

    convs: int
    width: int


ENCODERS = (
    EncoderStage(transferred=2, own=4, width=64),
    EncoderStage(transferred=2, own=4, width=128),
    EncoderStage(transferred=4, own=4, width=256),
    EncoderStage(transferred=4, own=4, width=512),
    EncoderStage(transferred=4, own=4, width=512),
)

DECODERS = (
    DecoderStage(convs=8, width=512),
    DecoderStage(convs=8, width=512),
    DecoderStage(convs=8, width=256),
    DecoderStage(convs=6, width=128),
    DecoderStage(convs=6, width=64),
)


@dataclass(frozen=True)
class Variant:
    """A network: its stages."""

    description: str
    encoders: tuple[EncoderStage, ...] = ENCODERS
    decoders: tuple[DecoderStage, ...] = DECODERS


def _narrowed(divisor: int, *, own: int | None = None, convs: Sequence[int] | None = None) -> dict[str, tuple]:
    """The paper's stages at 1 / `divisor` of their widths, with `own` convolutions in each encoder and `convs` in the
    decoders where these are given."""
    encoders = [replace(s, width=s.width // divisor, own=s.own if own is None else own) for s in ENCODERS]
    decoders = [replace(s, width=s.width // divisor) for s in DECODERS]
    if convs is not None:
        decoders = [replace(s, convs=count) for s, count in zip(decoders, convs, strict=True)]
    return {"encoders": tuple(encoders), "decoders": tuple(decoders)}


VARIANTS = {
    "paper": Variant("the paper's network, with VGG-19's convolutions inside"),
    "compact": Variant("the paper's graph at an eighth of its widths, for CPU", **_narrowed(8)),
    "light": Variant(
        "as compact, with one own convolution an encoder and half the convolutions a decoder: the bundled weights",
        **_narrowed(8, own=1, convs=(4, 4, 4, 3, 3)),
    ),
}
"""`paper` is the paper's; the other two are ours."""


def get_variant(name: str) -> Variant:
    """Looks a variant up by name.

    Raises:
        ValueError: if there is none of that name; the message lists those there are.
    """
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}; there are {', '.join(VARIANTS)}.")
    return VARIANTS[name]


def receptive_field(variant: Variant) -> int:
    """Computes the theoretical receptive field of the last map, in input pixels (one side of a square).

    Walks the longest path, down all encoders and up all decoders: a k x k convolution adds (k - 1) steps of its input,
    a deconvolution of kernel 4 and stride 2 reads 2 x 2 pixels of its input.
    """
    field, step = 1, 1
    for stage in variant.encoders:
        field += (stage.transferred + stage.own + 1) * (KERNEL_SIZE - 1) * step
        step *= 2
    for decoder in variant.decoders:
        field += (DECONV_KERNEL_SIZE // 2 - 1) * step
        step //= 2
        field += decoder.convs * (KERNEL_SIZE - 1) * step
    return field + (KERNEL_SIZE - 1) * step
