"""Methods that fusion is compared with, each a function (near, far) -> fused.

The images: (H, W, 3) RGB or (H, W) gray, uint8 or uint16, of any size, both of one shape and type.
"""

from dataclasses import dataclass

from model.baselines import dwt, gradient, mgivf, msvd, nmei, pca
from model.baselines.channels import Method


@dataclass(frozen=True)
class Baseline:
    """One method of others.

    Attributes:
        title: As tables name it.
        year: Of its publication.
        kind: What it is, in a few words.
        source: First author and journal.
        fuse: The method.
    """

    title: str
    year: int
    kind: str
    source: str
    fuse: Method


BASELINES = {
    "pca": Baseline("PCA", 2008, "weighted average", "Naidu & Raol, Defence Science Journal 58(3)", pca.fuse),
    "dwt": Baseline("DWT", 2008, "wavelet", "Naidu & Raol, Defence Science Journal 58(3)", dwt.fuse),
    "msvd": Baseline("MSVD", 2011, "singular values", "Naidu, Defence Science Journal 61(5)", msvd.fuse),
    "nmei": Baseline("NMEI", 2015, "decision map", "Zhan et al., JIHMSP 6(3)", nmei.fuse),
    "gd": Baseline("GD", 2016, "gradient domain", "Paul et al., JCSC 25(10)", gradient.fuse),
    "mgivf": Baseline("MGIVF", 2019, "guided filters", "Bavirisetti et al., CSSP 38(12)", mgivf.fuse),
}
