"""Validation on pairs whose truth is known: losses, map quality, and the quality of the fused image."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import tensorflow as tf

from data.imaging.composition import compose
from data.runtime.parallel import in_order
from data.synthesis.pairs import SyntheticPair
from metrics.reference import psnr, ssim
from model.fusion.paper import decide
from model.training.losses import HybridLoss, detail_weights

Predict = Callable[[tf.Tensor], list[tf.Tensor]]


def validate(
    predict: Predict, loss: HybridLoss, pairs: Iterable[SyntheticPair], workers: int | None = None
) -> dict[str, float]:
    """Measures a network on synthetic pairs.

    Args:
        predict: The network in inference mode: (2, H, W, 3) float32 RGB -> the five side maps.
        loss: The training loss.
        pairs: Pairs to measure.
        workers: Threads that compute the measures while the network runs; None is one for each core. The numbers do
            not depend on it.

    Returns:
        Means over the pairs: "loss" and "loss_side1".. "loss_side5"; "accuracy" of the last map's pixels; "iou" of the
        pixels out of focus, over all pixels of all pairs; and "psnr" (dB), "ssim" and "q_abf" of the image fused by
        the paper's strategy, PSNR and SSIM against the image that is sharp everywhere; "compared_accuracy" and
        "compared_psnr": of taking each pixel from the source with the lower logit, the accuracy weighted by
        `detail_weights`.

    Raises:
        ValueError: There is no pair.
    """
    measured = list(in_order(partial(_measure, loss), _predicted(predict, pairs), workers))
    if not measured:
        raise ValueError("there is no pair to validate on.")
    # PSNR is infinite where the fused image equals the sharp one, and Q_ABF is undefined without edges.
    rows = [row for row, _, _ in measured]
    means = {name: _mean([row[name] for row in rows]) for name in rows[0]}
    intersection, union = (sum(counts) for counts in list(zip(*measured, strict=True))[1:])
    return {**means, "iou": intersection / union if union else float("nan")}


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _predicted(
    predict: Predict, pairs: Iterable[SyntheticPair]
) -> Iterator[tuple[SyntheticPair, tf.Tensor, list[tf.Tensor]]]:
    """Yields each pair, its images and the network's maps."""
    for pair in pairs:
        images = tf.constant(np.stack([pair.near, pair.far]).astype(np.float32))
        yield pair, images, predict(images)


def _measure(
    loss: HybridLoss, predicted: tuple[SyntheticPair, tf.Tensor, list[tf.Tensor]]
) -> tuple[dict[str, float], int, int]:
    """Measures one pair: what is averaged over the pairs, and the pixels in intersection and union of the IoU."""
    pair, images, maps = predicted
    labels = np.stack([pair.label, 1 - pair.label])[..., None].astype(np.float32)
    side_losses = loss.side_losses(maps, tf.constant(labels), images)
    unfocused = maps[-1][..., 1].numpy() > 0.5
    truth = labels[..., 0] > 0.5
    decision = decide(pair.near, pair.far, unfocused[0], unfocused[1])
    row = {f"loss_side{number}": float(value) for number, value in enumerate(side_losses, start=1)}
    row["loss"] = float(loss.combine(side_losses))
    row["accuracy"] = float(np.mean(unfocused == truth))
    row["psnr"] = psnr(pair.reference, decision.fused)
    row["ssim"] = ssim(pair.reference, decision.fused)
    row["q_abf"] = decision.q_abf[decision.chosen]
    # Logits, not probabilities: where both sources are clearly out of focus, both probabilities round to 1.
    logits = np.diff(np.log(np.maximum(maps[-1].numpy(), np.finfo(np.float32).tiny)))[..., 0]
    take_far = logits[0] > logits[1]
    weights = detail_weights(images)[0, :, :, 0].numpy()
    row["compared_accuracy"] = float(np.average(take_far == truth[0], weights=weights))
    row["compared_psnr"] = psnr(pair.reference, compose((pair.near, pair.far), take_far))
    return row, int(np.count_nonzero(unfocused & truth)), int(np.count_nonzero(unfocused | truth))
