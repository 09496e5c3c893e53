"""Validation on pairs whose truth is known: losses, map quality, and the quality of the fused image."""

from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from data.synthesis.pairs import SyntheticPair
from metrics.reference import psnr, ssim
from model.fusion.paper import decide, select
from model.training.losses import HybridLoss, detail_weights

Predict = Callable[[tf.Tensor], list[tf.Tensor]]


def validate(predict: Predict, loss: HybridLoss, pairs: Iterable[SyntheticPair]) -> dict[str, float]:
    """Measures a network on synthetic pairs.

    Args:
        predict: (2, H, W, 3) float32 RGB -> the five side maps, in inference mode.
        loss: The training loss.
        pairs: Pairs to measure.

    Returns:
        Means over the pairs: "loss" and "loss_side1".. "loss_side5"; "accuracy" of the last map's pixels; "iou" of the
        pixels out of focus, over all pixels of all pairs; and "psnr" (dB), "ssim" and "q_abf" of the image fused by
        the paper's strategy, PSNR and SSIM against the image that is sharp everywhere; "compared_accuracy" and
        "compared_psnr": of taking each pixel from the source with the lower logit, the accuracy weighted by
        `detail_weights`.

    Raises:
        ValueError: if there is no pair.
    """
    rows = []
    intersection = union = 0
    for pair in pairs:
        images = np.stack([pair.near, pair.far]).astype(np.float32)
        labels = np.stack([pair.label, 1 - pair.label])[..., None].astype(np.float32)
        maps = predict(tf.constant(images))
        side_losses = loss.side_losses(maps, tf.constant(labels), tf.constant(images))
        unfocused = maps[-1][..., 1].numpy() > 0.5
        truth = labels[..., 0] > 0.5
        intersection += np.count_nonzero(unfocused & truth)
        union += np.count_nonzero(unfocused | truth)
        decision = decide(pair.near, pair.far, unfocused[0], unfocused[1])
        row = {f"loss_side{number}": float(value) for number, value in enumerate(side_losses, start=1)}
        row["loss"] = float(loss.combine(side_losses))
        row["accuracy"] = float(np.mean(unfocused == truth))
        row["psnr"] = psnr(pair.reference, decision.fused)
        row["ssim"] = ssim(pair.reference, decision.fused)
        row["q_abf"] = decision.q_abf[decision.chosen]
        # Logits, not probabilities: of two pixels that are surely out of focus, both may be 1.
        logits = np.diff(np.log(np.maximum(maps[-1].numpy(), np.finfo(np.float32).tiny)))[..., 0]
        take_far = logits[0] > logits[1]
        weights = detail_weights(tf.constant(images))[0, :, :, 0].numpy()
        row["compared_accuracy"] = float(np.average(take_far == truth[0], weights=weights))
        row["compared_psnr"] = psnr(pair.reference, select(pair.near, pair.far, take_far))
        rows.append(row)
    if not rows:
        raise ValueError("there is no pair to validate on.")
    # PSNR is infinite where the fused image is the sharp one to the last bit, Q_ABF is not defined without any edge.
    means = {name: _mean([row[name] for row in rows]) for name in rows[0]}
    return {**means, "iou": intersection / union if union else float("nan")}


def _mean(values):
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
