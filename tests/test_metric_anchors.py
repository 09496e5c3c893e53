"""The metrics on published fusion results against the values of two independent implementations.

The tolerance is relative, 1e-3, and one unit of the last printed digit on top. It is wider where the implementations
differ among themselves: the loss and the artifacts of "xydeas" (the angle where sx = 0, and G where both gradients are
equal, move the fourth digit), and AG "half" of the first one, which replicates the last row and column.
"""

import pytest

from data.io.image_io import read_image
from metrics.color import to_gray
from metrics.edge_models import EDGE_MODELS
from metrics.edges import EdgeTransfer
from metrics.information import MI_VARIANTS, mutual_information
from metrics.sharpness import AG_VARIANTS, average_gradient, spatial_frequency

NAMES = {
    "Q_SF": ("q_sf", "eskicioglu", 1e-3),
    "Q_ABF xydeas": ("q_abf", "xydeas", 1e-3),
    "Q_ABF kumar": ("q_abf", "kumar", 1e-3),
    "L kumar le": ("q_labf", "kumar-le", 1e-3),
    "L kumar lt": ("q_labf", "kumar-lt", 1e-3),
    "N kumar": ("n_abf", "kumar-le", 1e-3),
    "L xydeas le": ("q_labf", "xydeas-le", 4e-3),
    "L xydeas lt": ("q_labf", "xydeas-lt", 4e-3),
    "N xydeas": ("n_abf", "xydeas-le", 4e-3),
    "MI qu": ("q_mi", "qu", 1e-3),
    "MI hossny": ("q_mi", "hossny", 1e-3),
    "AG kumar": ("q_ag", "kumar", 1e-3),
    "AG half": ("q_ag", "half", 5e-3),
    "AG central": ("q_ag", "central", 1e-3),
}
FIRST = {
    ("ASR", "mean"): (
        19.2349, 0.7564, 0.9094, 0.0900, 0.0518, 0.0006, 0.2396, 0.1331, 0.0042, 8.2605, 1.0999, 11.6278, 8.0396, 6.7363
    ),
    ("ASR", "lytro-14"): (
        20.6792, 0.7720, 0.9200, 0.0795, 0.0415, 0.0004, 0.2249, 0.1105, 0.0034, 8.4198, 1.1146, 11.5941, 8.0309, 6.4502
    ),
    ("CSR", "mean"): (
        19.2245, 0.7406, 0.9048, 0.0884, 0.0624, 0.0068, 0.2343, 0.1519, 0.0252, 7.9569, 1.0596, 11.6194, 8.0339, 6.7315
    ),
    ("CSR", "lytro-14"): (
        20.6109, 0.7497, 0.9177, 0.0747, 0.0582, 0.0076, 0.2227, 0.1602, 0.0278, 7.8884, 1.0443, 11.5011, 7.9652, 6.3946
    ),
    ("GD", "mean"): (
        17.9404, 0.6989, 0.9144, 0.0604, 0.0600, 0.0252, 0.1786, 0.1742, 0.1225, 3.8542, 0.5113, 11.6844, 8.0988, 6.8210
    ),
    ("GD", "lytro-14"): (
        18.6243, 0.7086, 0.9177, 0.0676, 0.0672, 0.0147, 0.1997, 0.1947, 0.0918, 4.1678, 0.5506, 11.2656, 7.8094, 6.2514
    ),
    ("CNN", "mean"): (
        19.1872, 0.7618, 0.9081, 0.0918, 0.0432, 0.0001, 0.2376, 0.0969, 0.0008, 8.6420, 1.1512, 11.6536, 8.0577, 6.7584
    ),
    ("CNN", "lytro-14"): (
        20.4396, 0.7728, 0.9192, 0.0807, 0.0398, 0.0001, 0.2267, 0.1009, 0.0009, 8.4926, 1.1241, 11.4619, 7.9377, 6.3840
    ),
}  # fmt: skip
# The second implementation, the default variants: Q_SF, Q_ABF, L lt, MI qu, AG half.
SECOND = {
    ("ASR", "mean"): (19.2349, 0.75620, 0.13307, 8.2605, 8.0540),
    ("ASR", "lytro-14"): (20.6792, 0.77158, 0.11046, 8.4198, 8.0451),
    ("CNN", "mean"): (19.1872, 0.76147, 0.09685, 8.6420, 8.0720),
    ("CNN", "lytro-14"): (20.4396, 0.77237, 0.10080, 8.4926, 7.9515),
}
PAIRS = [f"lytro-{number:02d}" for number in range(1, 21)]


def measure(near, far, fused, transfers):
    row = {("q_sf", "eskicioglu"): spatial_frequency(fused)}
    for model, transfer in transfers.items():
        scores = transfer.measure(fused)
        row["q_abf", model] = scores.q_abf
        row |= {("q_labf", f"{model}-{rule}"): value for rule, value in scores.l_abf.items()}
        row |= {("n_abf", f"{model}-{rule}"): value for rule, value in scores.n_abf.items()}
    row |= {("q_mi", variant): mutual_information((near, far), fused, variant) for variant in MI_VARIANTS}
    row |= {("q_ag", variant): average_gradient(fused, variant) for variant in AG_VARIANTS}
    return row


@pytest.fixture(scope="module")
def measured(lytro, lytro_fused):
    """(Method, "mean" or pair) to (metric, variant) to value; every pair's sources are read and analyzed once."""
    values = {}
    methods = sorted({method for method, _ in FIRST})
    for pair in PAIRS:
        near, far = (to_gray(read_image(lytro / f"{pair}-{side}.jpg")) for side in "AB")
        transfers = {model: EdgeTransfer(near, far, variant=model) for model in EDGE_MODELS}
        for method in methods:
            (path,) = (lytro_fused / method).glob(f"{pair}.*")
            values[method, pair] = measure(near, far, to_gray(read_image(path)), transfers)
    for method in methods:
        rows = [values[method, pair] for pair in PAIRS]
        values[method, "mean"] = {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}
    return values


@pytest.mark.parametrize(("method", "images"), FIRST)
def test_first_implementation(measured, method, images):
    for column, expected in zip(NAMES, FIRST[method, images], strict=True):
        name, variant, tolerance = NAMES[column]
        near_enough = pytest.approx(expected, abs=tolerance * expected + 1e-4)
        assert measured[method, images][name, variant] == near_enough, column


@pytest.mark.parametrize(("method", "images"), SECOND)
def test_second_implementation(measured, method, images):
    columns = ("q_sf", "eskicioglu"), ("q_abf", "xydeas"), ("q_labf", "xydeas-lt"), ("q_mi", "qu"), ("q_ag", "half")
    for key, expected in zip(columns, SECOND[method, images], strict=True):
        tolerance = 3e-3 if key[0] == "q_labf" else 1e-3
        assert measured[method, images][key] == pytest.approx(expected, rel=tolerance), key
