"""Fuses two photographs by the graph that `python -m model.export` wrote; needs openvino, numpy and Pillow.

python fuse_openvino.py multifocus.xml A.jpg B.jpg fused.png
"""

import sys

import numpy as np
import openvino
from PIL import Image

graph, first, second, output = sys.argv[1:]
photographs = {
    name: np.asarray(Image.open(path).convert("RGB"))[None] for name, path in (("first", first), ("second", second))
}
fuse = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
result = fuse(photographs)
Image.fromarray(result["fused"][0]).save(output)
print(f"{result['decision_map'].mean():.1%} of the pixels are taken from {second}")
