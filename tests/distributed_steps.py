"""Trains a few steps and saves the state: `python -m tests.distributed_steps STRATEGY VOC OUT [DEVICES]`.

Run as a process of its own, because devices and hosts are fixed once TensorFlow has started.
"""

import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from data.synthesis.pipeline import PairSource
from data.synthesis.recipes import SynthesisSettings
from data.synthesis.voc import read_scenes
from model.networks.network import build_network
from model.training.distribution import make_distribution
from model.training.losses import HybridLoss
from model.training.optimizers import make_optimizer
from model.training.trainer import Trainer

PAIRS, STEPS = 4, 3


def split_processor(devices: int) -> None:
    """Makes the processor look like several devices; before anything else of TensorFlow runs."""
    configuration = [tf.config.LogicalDeviceConfiguration() for _ in range(devices)]
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], configuration)


def main(strategy: str, voc: str, output: str, devices: str = "1") -> None:
    split_processor(int(devices))
    distribution = make_distribution(strategy)
    keras.utils.set_random_seed(0)
    with distribution.strategy.scope():
        network = build_network("light", synchronized=distribution.replicas > 1)
        optimizer = make_optimizer("adamw", 1e-3, weight_decay=0.01, clip_norm=1.0)
        trainer = Trainer(network, optimizer, HybridLoss(), average=0.9, strategy=distribution.strategy)
    source = PairSource(read_scenes(Path(voc), "train"), SynthesisSettings("paper", 32), 0)
    shard = partial(distribution.shard, pairs=PAIRS)
    batches = distribution.gather(source.batches(0, PAIRS, 0, shard))
    reports = [trainer.step(*next(batches)) for _ in range(STEPS)]
    state = trainer.state()
    if distribution.chief:
        np.savez(output, reports=np.stack(reports), **{name.replace("/", "|"): value for name, value in state.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
