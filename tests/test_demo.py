import numpy as np
import pytest

from data.demo import main, motorcycle_scene, rendered_scene
from data.io.image_io import read_image
from data.synthesis.depth_of_field import photograph_by_depth, render_scene


def detail(image):
    return np.abs(np.diff(image.astype(float), axis=1)).mean()


def test_a_plane_in_focus_stays_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_array_equal(photograph_by_depth(image, np.full((40, 50), 0.5), focus=0.5, aperture=9), image)


def test_blur_grows_with_the_distance_from_the_focus():
    image, inverse_depth = render_scene(60, 80)
    flat = np.full_like(inverse_depth, 0.5)
    results = [detail(photograph_by_depth(image, flat, focus, 10)) for focus in (0.5, 0.4, 0.2, 0.0)]
    assert results == sorted(results, reverse=True)


def test_a_flat_color_stays_flat_across_outlines():
    image, inverse_depth = render_scene(60, 80)
    gray = np.full_like(image, 120)
    assert np.abs(photograph_by_depth(gray, inverse_depth, inverse_depth.max(), 12).astype(int) - 120).max() <= 1


@pytest.mark.parametrize("make", [rendered_scene, motorcycle_scene])
def test_each_photograph_is_sharp_where_the_other_is_not(make):
    if make is motorcycle_scene:
        pytest.importorskip("skimage")
    scene = make()
    near, far = scene.photographs()
    assert near.shape == far.shape == scene.image.shape
    error = [np.abs(one.astype(float) - scene.image).mean(-1) for one in (near, far)]
    for own, other, focus in ((error[0], error[1], scene.focuses[0]), (error[1], error[0], scene.focuses[1])):
        in_focus = np.abs(scene.inverse_depth - focus) < 0.05
        assert own[in_focus].mean() < other[in_focus].mean()


def test_command(tmp_path, capsys):
    assert main(["-o", str(tmp_path), "--scene", "rendered"]) == 0
    files = capsys.readouterr().out.split()
    assert len(files) == 3
    assert all(read_image(path).shape == (360, 480, 3) for path in files)
