"""Fuses two photographs by the graph that `python -m model.export` wrote; needs tensorflow, numpy and Pillow.

python fuse_savedmodel.py savedmodel A.jpg B.jpg fused.png
"""

import sys

import numpy as np
import tensorflow as tf
from PIL import Image

graph, first, second, output = sys.argv[1:]
photographs = {
    name: tf.constant(np.asarray(Image.open(path).convert("RGB"))[None])
    for name, path in (("first", first), ("second", second))
}
result = tf.saved_model.load(graph).signatures["serving_default"](**photographs)
Image.fromarray(result["fused"].numpy()[0]).save(output)
print(f"{result['decision_map'].numpy().mean():.1%} of the pixels are taken from {second}")
