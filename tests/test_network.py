import keras
import numpy as np
import pytest

from model.networks.network import VGGPreprocessing, build_network
from model.networks.stages import ENCODERS, VARIANTS, receptive_field
from model.networks.summary import summarize

PARAMETERS = {"paper": 107_824_586, "compact": 1_699_714, "light": 1_096_770}

WITH_ENCODER_SKIPS = {"paper": 118_810_058, "compact": 1_871_362, "light": 1_268_418}


@pytest.fixture(scope="module")
def compact():
    return build_network("compact")


def test_every_variant_has_a_pinned_parameter_count():
    assert set(PARAMETERS) == set(WITH_ENCODER_SKIPS) == set(VARIANTS)


@pytest.mark.parametrize("variant", ["compact", "light"])
def test_parameters_of_the_narrow_variants(variant):
    assert build_network(variant).count_params() == PARAMETERS[variant]
    assert build_network(variant, encoder_skips=True).count_params() == WITH_ENCODER_SKIPS[variant]


def test_what_encoder_skips_cost():
    stages = summarize("paper", encoder_skips=True)
    assert sum(stage.parameters for stage in stages) == WITH_ENCODER_SKIPS["paper"]
    # As many channels again into the stride-2 convolution of each encoder and the first convolution of its decoder.
    more = 2 * 9 * (64**2 + 128**2 + 256**2 + 2 * 512**2)
    assert WITH_ENCODER_SKIPS["paper"] == PARAMETERS["paper"] + more
    # Encoder 1 at 224 as below, but with 128 channels into the last convolution.
    expected = (27 * 64 + 5 * 9 * 64 * 64) * 224**2 + 9 * 128 * 64 * 112**2
    assert stages[0].multiply_adds[224] == expected


def test_encoder_skips_join_transferred_and_own_features():
    network = build_network("compact", encoder_skips=True)
    for number, stage in enumerate(ENCODERS, start=1):
        last = stage.transferred + stage.own
        names = [f"encoder{number}_conv{conv}_mish" for conv in (last, stage.transferred)]
        skip = network.get_layer(f"encoder{number}_skip")
        assert all(one is network.get_layer(name).output for one, name in zip(skip.input, names, strict=True))
        assert network.get_layer(f"encoder{number}_conv{last + 1}").input is skip.output
        assert network.get_layer(f"decoder{6 - number}_skip").input[1] is skip.output


def test_paper_parameters_and_multiply_adds():
    stages = summarize("paper")
    assert sum(stage.parameters for stage in stages) == PARAMETERS["paper"]
    assert [stage.convolutions for stage in stages] == [7, 7, 9, 9, 9, 9, 9, 9, 7, 7]
    assert [stage.width for stage in stages] == [64, 128, 256, 512, 512, 512, 512, 256, 128, 64]
    # Encoder 1 at 224: 3x3x3x64 and five times 3x3x64x64 at 224x224, then 3x3x64x64 at 112x112.
    expected = (27 * 64 + 5 * 9 * 64 * 64) * 224**2 + 9 * 64 * 64 * 112**2
    assert stages[0].multiply_adds[224] == expected
    # Decoder 5: a deconvolution 4x4x64x128 over 112x112, then 3x3x128x64, five 3x3x64x64 and the side map at 224x224.
    expected = 16 * 64 * 128 * 112**2 + (9 * 128 * 64 + 5 * 9 * 64 * 64 + 9 * 64 * 2) * 224**2
    assert stages[-1].multiply_adds[224] == expected
    assert stages[0].multiply_adds[520] == stages[0].multiply_adds[224] * 544**2 // 224**2


def test_first_encoder_parameters_by_hand(compact):
    # Width 8: two transferred convolutions with bias (3->8, 8->8), four own and a strided one without.
    convolutions = (27 * 8 + 8) + (72 * 8 + 8) + 5 * 72 * 8
    layers = [layer for layer in compact.layers if layer.name.startswith("encoder1")]
    assert sum(layer.count_params() for layer in layers) == convolutions + 7 * 4 * 8


def test_receptive_field_is_that_of_the_graph():
    # By hand: encoders 7*2*1 + 7*2*2 + 9*2*4 + 9*2*8 + 9*2*16 = 546; deconvolutions 32 + 16 + 8 + 4 + 2 = 62;
    # decoders 8*2*16 + 8*2*8 + 8*2*4 + 6*2*2 + 6*2*1 = 484; side map 2.
    assert receptive_field(VARIANTS["paper"]) == receptive_field(VARIANTS["compact"]) == 1 + 546 + 62 + 484 + 2
    # light: 4*2*1 + 4*2*2 + 6*2*4 + 6*2*8 + 6*2*16 = 360, the same 62, 4*2*(16 + 8 + 4) + 3*2*(2 + 1) = 242, and 2.
    assert receptive_field(VARIANTS["light"]) == 1 + 360 + 62 + 242 + 2


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96)])
def test_maps_of_any_multiple_of_32(compact, height, width):
    images = np.random.default_rng(0).uniform(0, 255, (2, height, width, 3)).astype(np.float32)
    maps = compact(images, training=False)
    assert [tuple(m.shape) for m in maps] == [(2, height >> k, width >> k, 2) for k in (4, 3, 2, 1, 0)]
    for probability in maps:
        np.testing.assert_allclose(np.sum(probability, axis=-1), 1, rtol=1e-5)


def test_stages_are_named_as_in_the_table(compact):
    for number, stage in enumerate(ENCODERS, start=1):
        last = stage.transferred + stage.own + 1
        assert compact.get_layer(f"encoder{number}_conv{last}").strides == (2, 2)
        assert compact.get_layer(f"encoder{number}_conv{last - 1}").strides == (1, 1)
        skip = compact.get_layer(f"decoder{6 - number}_skip")
        assert skip.input[1] is compact.get_layer(f"encoder{number}_conv{last - 1}_mish").output
    assert compact.output_names == [f"side{number}" for number in range(1, 6)]


def test_functional_and_serializable(compact, tmp_path):
    compact.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    images = np.random.default_rng(1).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(again(images)[-1], compact(images)[-1], rtol=1e-6)


def test_without_batch_norm_every_convolution_has_a_bias():
    network = build_network("compact", batch_norm=False)
    convolutions = [layer for layer in network.layers if hasattr(layer, "kernel")]
    assert len(convolutions) == 87
    assert all(layer.use_bias for layer in convolutions)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)


def test_initializers_differ_in_spread():
    keras.utils.set_random_seed(0)
    glorot, normal = (build_network("compact", initializer=name) for name in ("glorot", "normal"))
    kernel = glorot.get_layer("encoder4_conv6").kernel.numpy()
    limit = np.sqrt(6 / (9 * 64 + 9 * 64))
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert normal.get_layer("encoder4_conv6").kernel.numpy().std() == pytest.approx(0.05, rel=0.02)
    first, second = (normal.get_layer(f"encoder4_conv{n}").kernel.numpy() for n in (5, 6))
    assert not np.array_equal(first, second)


def test_preprocessing_is_that_of_keras():
    images = np.random.default_rng(2).uniform(0, 255, (2, 5, 4, 3)).astype(np.float32)
    expected = keras.applications.vgg19.preprocess_input(images.copy())
    np.testing.assert_array_equal(VGGPreprocessing()(images), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "large"}, "unknown variant 'large'"),
        ({"variant": "compact", "initializer": "zeros"}, "unknown initializer 'zeros'"),
        ({"variant": "compact", "input_size": (100, 96)}, "multiples of 32"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_network(**arguments)
