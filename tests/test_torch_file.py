"""Files of PyTorch's old format, true, broken and hostile, and the two networks that read them."""

import pickle
import struct
import sys
import types
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from data.datasets.torch_file import MAGIC, VERSION, read_tensors
from data.io.image_io import write_image
from data.runtime.errors import InputError
from fuse import main as fuse_main
from model.baselines import BASELINES, ifcnn, sesf
from tests.conftest import drawn_photograph

WRITTEN_BY_TORCH = Path(__file__).parent / "files" / "torch-old-format.pth"


class _Written:
    """Stands for a tensor while a file is written: pickles as PyTorch's tensors do."""

    def __init__(self, storage, size, rebuild):
        self.storage, self.size, self.rebuild = storage, size, rebuild

    def __reduce__(self):
        steps = tuple(int(np.prod(self.size[place + 1 :])) for place in range(len(self.size)))
        return self.rebuild, (self.storage, 0, self.size, steps, False, OrderedDict())


def write_old_format(path: Path, tensors: dict[str, np.ndarray], monkeypatch) -> None:
    """Writes what `torch.save(state_dict)` wrote before PyTorch 1.6."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "ByteStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    utils._rebuild_tensor_v2 = lambda *_: None
    utils._rebuild_tensor_v2.__module__ = "torch._utils"
    utils._rebuild_tensor_v2.__qualname__ = utils._rebuild_tensor_v2.__name__ = "_rebuild_tensor_v2"
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    storages = {}
    state = OrderedDict()
    for number, (name, values) in enumerate(tensors.items()):
        kind = {"i": torch.LongStorage, "u": torch.ByteStorage, "f": torch.FloatStorage}[values.dtype.kind]
        storage = types.SimpleNamespace(kind=kind, key=str(1000 + number), count=values.size)
        storages[storage.key] = values
        state[name] = _Written(storage, values.shape, utils._rebuild_tensor_v2)
    state._metadata = OrderedDict(version=1)

    class Pickler(pickle._Pickler):
        def persistent_id(self, value):
            if isinstance(value, types.SimpleNamespace):
                return "storage", value.kind, value.key, "cuda:3", value.count, None
            return None

    with path.open("wb") as file:
        for content in (MAGIC, VERSION, {"little_endian": True, "type_sizes": {"int": 4}}):
            pickle.dump(content, file, protocol=2)
        Pickler(file, protocol=2).dump(state)
        pickle.dump(sorted(storages), file, protocol=2)
        for key in sorted(storages):
            file.write(struct.pack("<q", storages[key].size) + storages[key].tobytes())
    monkeypatch.undo()


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    return {
        "conv.weight": rng.normal(size=(3, 2, 5, 5)).astype(np.float32),
        "bn.num_batches_tracked": np.array(7, np.int64),
        "bias": rng.normal(size=4).astype(np.float32),
    }


def test_what_was_written_is_read(tensors, tmp_path, monkeypatch):
    write_old_format(tmp_path / "x.pth", tensors, monkeypatch)
    read = read_tensors(tmp_path / "x.pth")
    assert list(read) == list(tensors)
    for name, values in tensors.items():
        np.testing.assert_array_equal(read[name], values)
        assert read[name].dtype == values.dtype


def test_a_file_that_pytorch_itself_wrote():
    """Of PyTorch 2.13: torch.save({"weight": arange(6).reshape(2, 3) / 4, "steps": tensor(9)}), the old format."""
    read = read_tensors(WRITTEN_BY_TORCH)
    np.testing.assert_array_equal(read["weight"], np.arange(6, dtype=np.float32).reshape(2, 3) / 4)
    assert read["steps"] == 9


class _Evil:
    def __reduce__(self):
        return exec, ("open('touched', 'w')",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickle.dumps(MAGIC, 2),
        pickle.dumps(MAGIC, 2) + pickle.dumps(VERSION, 2) + pickle.dumps({}, 2) + pickle.dumps(_Evil(), 2),
        pickle.dumps(MAGIC, 2) + pickle.dumps(VERSION, 2) + pickle.dumps(_Evil(), 2),
        pickle.dumps(_Evil(), 4),
        b"\x80\x02" + b"(" * 1000 + b".",
        b"\x80\x02]r\xff\xff\xff\xff.",  # a memo of four thousand million places
        b"\x80\x02X\xff\xff\xff\x7fabc.",  # a string of two thousand million characters
    ],
)
def test_hostile_files_are_refused(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.pth").write_bytes(content)
    with pytest.raises(InputError, match="no dictionary of tensors"):
        read_tensors(Path("x.pth"))
    assert not Path("touched").exists()


def test_other_formats(tmp_path):
    (tmp_path / "new.pth").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match="new format"):
        read_tensors(tmp_path / "new.pth")
    with pytest.raises(InputError, match="cannot read"):
        read_tensors(tmp_path / "absent.pth")


def ifcnn_tensors(rng):
    shapes = {"conv1.weight": (64, 3, 7, 7), "conv4.weight": (3, 64, 1, 1), "conv4.bias": (3,)}
    for name in ("conv2", "conv3"):
        shapes |= {f"{name}.conv.weight": (64, 64, 3, 3), f"{name}.bn.weight": (64,), f"{name}.bn.bias": (64,)}
        shapes |= {f"{name}.bn.running_mean": (64,), f"{name}.bn.running_var": (64,)}
    return _random_tensors(shapes, rng)


def sesf_tensors(rng):
    shapes, channels = {}, 1
    for block, gate in sesf.ATTENTION.items():
        shapes |= {f"{block}.0.weight": (16, channels, 3, 3), f"{block}.0.bias": (16,)}
        shapes |= {f"{block}.2.{name}": (16,) for name in ("weight", "bias", "running_mean", "running_var")}
        shapes |= {f"{gate}.fc.0.weight": (2, 16), f"{gate}.fc.2.weight": (16, 2)}
        channels = 16 if channels == 1 else channels + 16
    return _random_tensors(shapes, rng)


def _random_tensors(shapes, rng):
    tensors = {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    return {name: np.abs(values) + 0.5 if name.endswith("running_var") else values for name, values in tensors.items()}


def test_ifcnn_with_weights_that_copy_its_input(tmp_path, monkeypatch):
    """All weights zero but for a path that hands one image on: the maximum of both images, channel by channel."""
    tensors = {name: np.zeros_like(values) for name, values in ifcnn_tensors(np.random.default_rng(0)).items()}
    for channel in range(3):
        tensors["conv1.weight"][channel, channel, 3, 3] = 1
        tensors["conv4.weight"][channel, channel] = 1
    for name in ("conv2", "conv3"):
        tensors[f"{name}.conv.weight"][range(64), range(64), 1, 1] = 1
        tensors[f"{name}.bn.weight"][:], tensors[f"{name}.bn.running_var"][:] = 1, 1
        # Rectification would cut what is below the mean: it is lifted before and put back after.
    tensors["conv2.bn.bias"][:], tensors["conv4.bias"][:] = 5, -5
    write_old_format(tmp_path / "ifcnn.pth", tensors, monkeypatch)
    fuse = BASELINES["ifcnn"].method(tmp_path / "ifcnn.pth")
    assert "uint16" in fuse.__doc__
    near, far = (drawn_photograph(np.random.default_rng(seed), 21, 33) for seed in (0, 1))
    np.testing.assert_allclose(fuse(near, far).astype(int), np.maximum(near, far), atol=1)
    gray = fuse(near[..., 0], far[..., 0])
    np.testing.assert_allclose(gray.astype(int), np.maximum(near, far)[..., 0], atol=1)
    wide = fuse(near.astype(np.uint16) * 257, far.astype(np.uint16) * 257)
    np.testing.assert_allclose(wide / 257, np.maximum(near, far), atol=0.5)


def test_sesf_takes_the_side_with_more_detail(tmp_path, monkeypatch):
    write_old_format(tmp_path / "sesf.pkl", sesf_tensors(np.random.default_rng(0)), monkeypatch)
    fuse = BASELINES["sesf"].method(tmp_path / "sesf.pkl")
    assert "uint16" in fuse.__doc__
    sharp = drawn_photograph(np.random.default_rng(0), 80, 120)
    near, far = sharp.copy(), sharp.copy()
    near[:, 60:], far[:, :60] = 127, 127
    for images in ((near, far), (near[..., 0], far[..., 0])):
        fused = fuse(*images)
        assert fused.shape == images[0].shape
        np.testing.assert_allclose(fused[:, 5:40].astype(int), images[0][:, 5:40], atol=1)
        np.testing.assert_allclose(fused[:, 80:115].astype(int), images[1][:, 80:115], atol=1)


def test_ifcnn_is_the_network_in_pytorch(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    rng = np.random.default_rng(0)
    tensors = ifcnn_tensors(rng)
    network = loaded(ifcnn, tensors, tmp_path, monkeypatch)
    weights = {name: torch.from_numpy(values) for name, values in tensors.items()}

    def convolve(x, source, width):
        padded = functional.pad(x, (width,) * 4, mode="replicate")
        return functional.conv2d(padded, weights[f"{source}.weight"], weights.get(f"{source}.bias"))

    def block(x, name):
        return torch.relu(normalize(functional, weights, convolve(x, f"{name}.conv", 1), f"{name}.bn"))

    images = rng.normal(size=(2, 1, 33, 41, 3)).astype(np.float32)
    features = [block(convolve(to_torch(torch, image), "conv1", 3), "conv2") for image in images]
    expected = convolve(block(torch.maximum(*features), "conv3"), "conv4", 0)
    actual = np.asarray(network(list(images), training=False))
    np.testing.assert_allclose(actual, expected.numpy().transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5)


def test_sesf_is_the_network_in_pytorch(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    rng = np.random.default_rng(0)
    tensors = sesf_tensors(rng)
    network = loaded(sesf, tensors, tmp_path, monkeypatch)
    weights = {name: torch.from_numpy(values) for name, values in tensors.items()}

    image = rng.normal(size=(1, 33, 41, 1)).astype(np.float32)
    known = to_torch(torch, image)
    for index, (block, gate) in enumerate(sesf.ATTENTION.items()):
        x = functional.conv2d(known, weights[f"{block}.0.weight"], weights[f"{block}.0.bias"], padding=1)
        x = normalize(functional, weights, torch.relu(x), f"{block}.2")
        weight = torch.relu(x.mean((2, 3)) @ weights[f"{gate}.fc.0.weight"].T)
        weight = torch.sigmoid(weight @ weights[f"{gate}.fc.2.weight"].T)
        x = x * weight[:, :, None, None]
        known = torch.cat((known, x), 1) if index else x
    actual = np.asarray(network(image, training=False))
    np.testing.assert_allclose(actual, known.numpy().transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5)


def loaded(module, tensors, folder, monkeypatch):
    """The network that the module's `load` fills from a file of these tensors."""
    write_old_format(folder / "weights.pth", tensors, monkeypatch)
    network = module.build()
    with monkeypatch.context() as patch:
        patch.setattr(module, "build", lambda: network)
        module.load(folder / "weights.pth")
    return network


def normalize(functional, weights, x, source):
    names = ("running_mean", "running_var", "weight", "bias")
    return functional.batch_norm(x, *(weights[f"{source}.{name}"] for name in names), eps=1e-5)


def to_torch(torch, image):
    return torch.from_numpy(np.ascontiguousarray(image.transpose(0, 3, 1, 2)))


def test_sesf_cleans_by_hand():
    decision = np.zeros((100, 100), bool)
    decision[:, 50:] = True
    clean = decision.copy()
    decision[10:14, 10:14], decision[60:70, 70:79] = True, False  # 16 and 90 pixels; 1 % are 100
    np.testing.assert_array_equal(sesf.clean(decision), clean)
    assert sesf.clean(np.ones((40, 40), bool)).all()


def test_parameters_counted_by_hand():
    # 7*7*3*64, twice 3*3*64*64 with normalization, 64*3 + 3
    assert ifcnn.build().count_params() == 9408 + 2 * (36864 + 4 * 64) + 195
    # four convolutions to 16 channels, each with normalization and attention 16 -> 2 -> 16
    assert sesf.build().count_params() == 160 + 2320 + 4624 + 6928 + 4 * (4 * 16 + 2 * 32)


def test_weights_of_another_network(tmp_path, monkeypatch, capsys):
    write_old_format(tmp_path / "sesf.pkl", sesf_tensors(np.random.default_rng(0)), monkeypatch)
    with pytest.raises(InputError, match=r"has no tensor conv1\.weight"):
        BASELINES["ifcnn"].method(tmp_path / "sesf.pkl")
    for side in "AB":
        write_image(tmp_path / f"x-{side}.png", drawn_photograph(np.random.default_rng(0), 40, 40))
    images = [str(tmp_path / f"x-{side}.png") for side in "AB"]
    output = ["-o", str(tmp_path / "out.png"), "--quiet", "--method"]
    assert fuse_main([*images, *output, "sesf", "--weights", str(tmp_path / "sesf.pkl")]) == 0
    for wrong in (["sesf"], ["pca", "--weights", "x.pth"], ["dwt", "--strategy", "paper"]):
        with pytest.raises(SystemExit):
            fuse_main([*images, *output, *wrong])
    assert "--method sesf needs weights: give its authors' file, --weights FILE." in capsys.readouterr().err
