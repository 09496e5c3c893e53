"""The network: five stride-2 encoders, five deconvolution decoders, skips, and a two-class map at every decoder.

Source: Wang, Jin et al., "Color multi-focus image fusion based on transfer learning", JIFS 2022; the table is in
`model/networks/stages.py`.
"""

import keras
import tensorflow as tf
from keras import layers

from model.networks.stages import (
    DECONV_KERNEL_SIZE,
    INITIALIZERS,
    KERNEL_SIZE,
    STRIDE,
    DecoderStage,
    EncoderStage,
    get_variant,
)

VGG_MEAN_BGR = (103.939, 116.779, 123.68)
"""ImageNet's mean color, blue first, as VGG-19 was trained (Simonyan & Zisserman 2015)."""


@keras.saving.register_keras_serializable(package="multifocus")
class VGGPreprocessing(layers.Layer):
    """Turns RGB in [0, 255] into VGG-19's input: blue first, ImageNet's mean color subtracted.

    Equal to `keras.applications.vgg19.preprocess_input`; a layer, so that the network's input is a plain RGB image.
    """

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Converts (N, H, W, 3) RGB in [0, 255] to (N, H, W, 3) BGR, mean subtracted."""
        bgr = keras.ops.flip(images, axis=-1)
        return bgr - keras.ops.cast(keras.ops.array(VGG_MEAN_BGR), bgr.dtype)


def build_network(
    variant: str = "paper",
    *,
    batch_norm: bool = True,
    encoder_skips: bool = False,
    initializer: str = "glorot",
    activation: str = "mish",
    input_size: tuple[int | None, int | None] = (None, None),
    synchronized: bool = False,
) -> keras.Model:
    """Builds the network that tells which pixels of one photograph are out of focus.

    Reference: Wang, Jin et al., JIFS 2022. Preprocessing is inside: the input is RGB as read from a file.

    Args:
        variant: A name in `model.networks.stages.VARIANTS`: `"paper"`, or the narrower `"compact"` and `"light"`.
        batch_norm: Whether batch normalization follows every convolution; False is the paper's compare-bn ablation,
            and the folded graph of inference.
        encoder_skips: Whether an encoder's stride-2 convolution, and the decoder that mirrors it, also see the features
            of its last transferred convolution, concatenated with those of its last own one. The paper's text names
            skips for feature extraction and does not say between which layers; this is our reading of it.
        initializer: `"glorot"` (the paper) or `"normal"` (its compare-initial ablation).
        activation: Name of a Keras activation; the paper's is Mish.
        input_size: Height and width, each a multiple of 32, or None for any.
        synchronized: Whether batch normalization takes its statistics from all replicas of a distributed step together,
            as one device would.

    Returns:
        A functional model. Input: (N, H, W, 3) RGB in [0, 255], H and W multiples of 32. Outputs: a list of five maps,
        coarsest first, (N, H/16, W/16, 2) to (N, H, W, 2), float32 softmax; channel 1 is the probability of "out of
        focus".

    Raises:
        ValueError: `variant` or `initializer` is unknown, or a size is not a multiple of 32.
    """
    if initializer not in INITIALIZERS:
        raise ValueError(f"unknown initializer {initializer!r}; there are {', '.join(INITIALIZERS)}.")
    if any(side is not None and side % STRIDE for side in input_size):
        raise ValueError(f"input_size must be multiples of 32, received {input_size}.")
    stages = get_variant(variant)
    block = _ConvBlock(batch_norm, encoder_skips, initializer, activation, synchronized)
    inputs = keras.Input((*input_size, 3), name="image")
    features = VGGPreprocessing(name="preprocessing")(inputs)
    skips = []
    for number, stage in enumerate(stages.encoders, start=1):
        features, skip = block.encoder(features, stage, f"encoder{number}")
        skips.append(skip)
    maps = []
    for number, (decoder, skip) in enumerate(zip(stages.decoders, reversed(skips), strict=True), start=1):
        features = block.decoder(features, skip, decoder, f"decoder{number}")
        maps.append(block.side_map(features, f"side{number}"))
    return keras.Model(inputs, maps, name=variant)


class _ConvBlock:
    """Builds the stages of one network: convolution, batch normalization, activation."""

    def __init__(self, batch_norm: bool, encoder_skips: bool, initializer: str, activation: str, synchronized: bool):
        self.batch_norm = batch_norm
        self.encoder_skips = encoder_skips
        self.initializer = initializer
        self.activation = activation
        self.synchronized = synchronized

    def encoder(
        self, features: keras.KerasTensor, stage: EncoderStage, name: str
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        stride_one = stage.transferred + stage.own
        for number in range(1, stride_one + 1):
            features = self.conv(features, stage.width, f"{name}_conv{number}", bias=number <= stage.transferred)
            if number == stage.transferred:
                transferred = features
        if self.encoder_skips:
            features = layers.Concatenate(name=f"{name}_skip")([features, transferred])
        return self.conv(features, stage.width, f"{name}_conv{stride_one + 1}", strides=2), features

    def decoder(
        self, features: keras.KerasTensor, skip: keras.KerasTensor, stage: DecoderStage, name: str
    ) -> keras.KerasTensor:
        deconv = layers.Conv2DTranspose(
            stage.width,
            DECONV_KERNEL_SIZE,
            strides=2,
            padding="same",
            use_bias=not self.batch_norm,
            kernel_initializer=self._fresh_initializer(),
            name=f"{name}_deconv",
        )
        features = self._normalize_and_activate(deconv(features), f"{name}_deconv")
        features = layers.Concatenate(name=f"{name}_skip")([features, skip])
        for number in range(1, stage.convs + 1):
            features = self.conv(features, stage.width, f"{name}_conv{number}")
        return features

    def conv(
        self, features: keras.KerasTensor, width: int, name: str, *, strides: int = 1, bias: bool = False
    ) -> keras.KerasTensor:
        # A bias before batch normalization has no effect; only the transferred convolutions keep theirs.
        layer = layers.Conv2D(
            width,
            KERNEL_SIZE,
            strides=strides,
            padding="same",
            use_bias=bias or not self.batch_norm,
            kernel_initializer=self._fresh_initializer(),
            name=name,
        )
        return self._normalize_and_activate(layer(features), name)

    def side_map(self, features: keras.KerasTensor, name: str) -> keras.KerasTensor:
        logits = layers.Conv2D(
            2, KERNEL_SIZE, padding="same", kernel_initializer=self._fresh_initializer(), name=f"{name}_logits"
        )(features)
        return layers.Softmax(dtype="float32", name=name)(logits)

    def _normalize_and_activate(self, features: keras.KerasTensor, name: str) -> keras.KerasTensor:
        if self.batch_norm:
            features = layers.BatchNormalization(synchronized=self.synchronized, name=f"{name}_bn")(features)
        return layers.Activation(self.activation, name=f"{name}_{self.activation}")(features)

    def _fresh_initializer(self) -> keras.initializers.Initializer:
        # An initializer object draws the same numbers each time; every layer needs its own.
        if self.initializer == "normal":
            return keras.initializers.RandomNormal(stddev=0.05)
        return keras.initializers.GlorotUniform()
