"""Published methods that fusion is compared with, each a function (near, far) -> fused.

Images are (H, W, 3) RGB or (H, W) gray, uint8 or uint16, of any size, both of one shape and type.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from data.runtime.errors import InputError
from model.baselines.channels import Method


@dataclass(frozen=True)
class Baseline:
    """A published method.

    Attributes:
        title: Its name in tables.
        year: Year of publication.
        kind: Its principle, in a few words.
        source: First author and journal.
        module: Its file in this package, which is imported when the method is used.
        weighted: Whether it needs its authors' weights.
        slow: Seconds per megapixel of a pair on two cores, for methods that take more than a minute; None for others.
    """

    title: str
    year: int
    kind: str
    source: str
    module: str
    weighted: bool = False
    slow: float | None = None

    @property
    def fuse(self) -> Method | None:
        """The method; None if it needs its authors' weights."""
        return None if self.weighted else import_module(f"{__name__}.{self.module}").fuse

    @property
    def load(self) -> Callable[[Path], Method] | None:
        """Makes the method from its authors' weights; None if it needs none."""
        return import_module(f"{__name__}.{self.module}").load if self.weighted else None

    def method(self, weights: Path | None = None) -> Method:
        """Returns the method, ready to run.

        Args:
            weights: The authors' file, for a method that needs it.

        Raises:
            InputError: The file is missing, not needed, or not that of this method.
        """
        if self.load and weights is not None:
            return self.load(weights)
        if self.fuse and weights is None:
            return self.fuse
        if weights is None:
            raise InputError(f"{self.title} needs its authors' file of weights.")
        raise InputError(f"{self.title} has no weights; leave {weights} out.")


_NAIDU = "Naidu & Raol, Defence Science Journal 58(3)"
"""Source of two methods."""

BASELINES = {
    "pca": Baseline("PCA", 2008, "weighted average", _NAIDU, "pca"),
    "dwt": Baseline("DWT", 2008, "wavelet; details by Li's rule", f"{_NAIDU}; Li et al., GMIP 57(3)", "dwt"),
    "msvd": Baseline("MSVD", 2011, "singular values", "Naidu, Defence Science Journal 61(5)", "msvd"),
    "gd": Baseline("GD", 2016, "gradient domain", "Paul et al., JCSC 25(10)", "gradient"),
    "mst-sr": Baseline(
        "MST-SR", 2015, "pyramid, sparse base; our dictionary", "Liu et al., Information Fusion 24", "mst_sr"
    ),
    "asr": Baseline(
        "ASR", 2015, "sparse patches; our dictionaries", "Liu & Wang, IET Image Processing 9(5)", "asr", slow=670.0
    ),
    "csr": Baseline("CSR", 2016, "convolutional sparse; our filters", "Liu et al., IEEE SPL 23(12)", "csr", slow=330.0),
    "mgivf": Baseline("MGIVF", 2019, "guided filters", "Bavirisetti et al., CSSP 38(12)", "mgivf"),
    "nmei": Baseline("NMEI", 2015, "decision map", "Zhan et al., JIHMSP 6(3)", "nmei"),
    "ifcnn": Baseline("IFCNN", 2020, "network", "Zhang et al., Information Fusion 54", "ifcnn", weighted=True),
    "sesf": Baseline("SESF", 2021, "network", "Ma et al., Neural Computing and Applications 33", "sesf", weighted=True),
}
"""The eleven methods that the paper is compared with, by their name in commands."""

SELF_CONTAINED = tuple(name for name, baseline in BASELINES.items() if not baseline.weighted)
"""Names of the methods that need no authors' file."""
