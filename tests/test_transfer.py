"""Transfer of VGG-19, against a file that is written here in the layout of the published one, with random values."""

import shutil

import h5py
import keras
import numpy as np
import pytest

from data.errors import InputError
from data.io.files import file_digest
from model.networks.network import build_network
from model.networks.transfer import layer_names, read_vgg19, transfer_vgg19

WIDTHS = {1: (2, 64), 2: (2, 128), 3: (4, 256), 4: (4, 512), 5: (4, 512)}


def write_vgg19(path, leave_out=()):
    """Writes kernels and biases as keras.applications publishes them: a group a layer, names in attributes."""
    rng = np.random.default_rng(0)
    channels, names = 3, ["input_1"]
    with h5py.File(path, "w") as file:
        file.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        for block, (convolutions, width) in WIDTHS.items():
            for number in range(1, convolutions + 1):
                name = f"block{block}_conv{number}"
                kernel = rng.standard_normal((3, 3, channels, width), np.float32) * np.float32(
                    np.sqrt(2 / 9 / channels)
                )
                channels = width
                if name in leave_out:
                    continue
                names.append(name)
                group = file.create_group(name)
                group.attrs["weight_names"] = [f"{name}_W_1:0".encode(), f"{name}_b_1:0".encode()]
                group[f"{name}_W_1:0"] = kernel
                group[f"{name}_b_1:0"] = rng.uniform(-0.1, 0.1, width).astype(np.float32)
            names.append(f"block{block}_pool")
            file.create_group(names[-1]).attrs["weight_names"] = np.array([], "S1")
        file.attrs["layer_names"] = [name.encode() for name in names]


@pytest.fixture(scope="module")
def vgg19_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg19") / "vgg19_notop.h5"
    write_vgg19(path)
    return path


@pytest.fixture(scope="module")
def network(vgg19_file):
    network = build_network("paper", batch_norm=False, activation="relu")
    network.report = transfer_vgg19(network, str(vgg19_file), file_digest(vgg19_file, "md5"))
    return network


def test_every_kernel_and_bias_is_copied(network, vgg19_file):
    assert len(layer_names()) == 16
    with h5py.File(vgg19_file) as file:
        for source, target in layer_names().items():
            kernel, bias = network.get_layer(target).get_weights()
            np.testing.assert_array_equal(kernel, file[source][f"{source}_W_1:0"])
            np.testing.assert_array_equal(bias, file[source][f"{source}_b_1:0"])


def test_the_report_lists_each_layer(network):
    assert [(layer.source, layer.target) for layer in network.report] == list(layer_names().items())
    assert str(network.report[0]) == "block1_conv1 -> encoder1_conv1: kernel 3x3x3x64, bias 64"
    assert sum(np.prod(layer.kernel_shape) + layer.kernel_shape[-1] for layer in network.report) == 20_024_384


def test_features_are_those_of_vgg19(network, vgg19_file):
    """With VGG's activation and no normalization, the first encoder's transferred part is VGG-19's first block."""
    vgg19 = keras.applications.VGG19(include_top=False, weights=str(vgg19_file))
    theirs = keras.Model(vgg19.input, vgg19.get_layer("block1_conv2").output)
    ours = keras.Model(network.input, network.get_layer("encoder1_conv2_relu").output)
    image = np.random.default_rng(3).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    expected = theirs(keras.applications.vgg19.preprocess_input(image.copy()))
    np.testing.assert_allclose(ours(image), expected, rtol=1e-5, atol=1e-4)


def test_a_missing_layer_is_an_error(network, tmp_path):
    path = tmp_path / "incomplete.h5"
    write_vgg19(path, leave_out=("block4_conv3",))
    before = network.get_layer("encoder1_conv1").get_weights()[0]
    with pytest.raises(InputError, match="not in Keras' H5 layout of weights: Layer count mismatch"):
        transfer_vgg19(network, str(path), file_digest(path, "md5"))
    np.testing.assert_array_equal(network.get_layer("encoder1_conv1").get_weights()[0], before)


def test_another_md5_is_refused(vgg19_file):
    with pytest.raises(InputError, match="is not the expected VGG-19 file: its md5 is"):
        read_vgg19(vgg19_file)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "text.h5"
    path.write_text("no HDF5")
    with pytest.raises(InputError, match="is no HDF5 file of weights"):
        read_vgg19(path, file_digest(path, "md5"))
    with pytest.raises(InputError, match="is missing"):
        read_vgg19(tmp_path / "absent.h5")


def name_twice(file):
    group = file["block1_conv1"]
    group.attrs["weight_names"] = list(group.attrs["weight_names"]) * 50


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: file["block1_conv1/block1_conv1_b_1:0"].__setitem__(0, np.nan), "NaN or infinite"),
        (lambda file: file.attrs.__delitem__("layer_names"), "not in Keras' H5 layout"),
        (lambda file: file.attrs.__setitem__("layer_names", 3), "not in Keras' H5 layout"),
        (lambda file: file.attrs.__setitem__("layer_names", [b"\xff"]), "not in Keras' H5 layout"),
        (lambda file: file.attrs.__setitem__("layer_names", [b"absent"]), "not in Keras' H5 layout"),
        (lambda file: file["block1_conv1"].attrs.__setitem__("weight_names", [1, 2]), "not in Keras' H5 layout"),
        (lambda file: file["block1_conv1"].attrs.__setitem__("weight_names", [b"."]), "not in Keras' H5 layout"),
        (name_twice, "names an array twice"),
    ],
)
def test_files_of_another_layout_are_one_sentence(vgg19_file, tmp_path, write, message):
    path = tmp_path / "other.h5"
    shutil.copy(vgg19_file, path)
    with h5py.File(path, "r+") as file:
        write(file)
    with pytest.raises(InputError, match=message):
        read_vgg19(path, file_digest(path, "md5"))


def test_narrow_widths_do_not_fit(vgg19_file):
    with pytest.raises(InputError, match="encoder1_conv1 needs"):
        transfer_vgg19(build_network("compact"), str(vgg19_file), file_digest(vgg19_file, "md5"))
