"""Fuses two photographs by the graph that `python -m model.export` wrote; needs onnxruntime, numpy and Pillow.

python fuse_onnx.py multifocus.onnx A.jpg B.jpg fused.png
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

graph, first, second, output = sys.argv[1:]
photographs = {
    name: np.asarray(Image.open(path).convert("RGB"))[None] for name, path in (("first", first), ("second", second))
}
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
fused, decision_map = session.run(["fused", "decision_map"], photographs)
Image.fromarray(fused[0]).save(output)
print(f"{decision_map.mean():.1%} of the pixels are taken from {second}")
