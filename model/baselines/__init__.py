"""Published methods that fusion is compared with, each a function (near, far) -> fused.

Images are (H, W, 3) RGB or (H, W) gray, uint8 or uint16, of any size, both of one shape and type.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.runtime.errors import InputError
from model.baselines import asr, csr, dwt, gradient, ifcnn, mgivf, mst_sr, msvd, nmei, pca, sesf
from model.baselines.channels import Method


@dataclass(frozen=True)
class Baseline:
    """A published method.

    Attributes:
        title: Its name in tables.
        year: Year of publication.
        kind: Its principle, in a few words.
        source: First author and journal.
        fuse: The method; None if it needs its authors' weights.
        load: Makes the method from its authors' weights; None if it needs none.
        slow: Seconds per megapixel of a pair on two cores, for methods that take more than a minute; None for others.
    """

    title: str
    year: int
    kind: str
    source: str
    fuse: Method | None = None
    load: Callable[[Path], Method] | None = None
    slow: float | None = None

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
    "pca": Baseline("PCA", 2008, "weighted average", _NAIDU, pca.fuse),
    "dwt": Baseline("DWT", 2008, "wavelet; details by Li's rule", f"{_NAIDU}; Li et al., GMIP 57(3)", dwt.fuse),
    "msvd": Baseline("MSVD", 2011, "singular values", "Naidu, Defence Science Journal 61(5)", msvd.fuse),
    "gd": Baseline("GD", 2016, "gradient domain", "Paul et al., JCSC 25(10)", gradient.fuse),
    "mst-sr": Baseline(
        "MST-SR", 2015, "pyramid, sparse base; our dictionary", "Liu et al., Information Fusion 24", mst_sr.fuse
    ),
    "asr": Baseline(
        "ASR", 2015, "sparse patches; our dictionaries", "Liu & Wang, IET Image Processing 9(5)", asr.fuse, slow=670.0
    ),
    "csr": Baseline(
        "CSR", 2016, "convolutional sparse; our filters", "Liu et al., IEEE SPL 23(12)", csr.fuse, slow=330.0
    ),
    "mgivf": Baseline("MGIVF", 2019, "guided filters", "Bavirisetti et al., CSSP 38(12)", mgivf.fuse),
    "nmei": Baseline("NMEI", 2015, "decision map", "Zhan et al., JIHMSP 6(3)", nmei.fuse),
    "ifcnn": Baseline("IFCNN", 2020, "network", "Zhang et al., Information Fusion 54", load=ifcnn.load),
    "sesf": Baseline("SESF", 2021, "network", "Ma et al., Neural Computing and Applications 33", load=sesf.load),
}
"""The eleven methods that the paper is compared with, by their name in commands."""

SELF_CONTAINED = tuple(name for name, baseline in BASELINES.items() if baseline.load is None)
"""Names of the methods that need no authors' file."""
