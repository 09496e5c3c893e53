"""Trains the network that tells which pixels are out of focus. Without options it is the paper's training."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

from data.arguments import natural, positive
from data.errors import EXIT_DONE, InputError, add_debug, run_command
from model.training.checkpoints import KEPT, MOST
from model.training.run_folder import read_settings
from model.training.settings import ABLATIONS, CHECKPOINT, CHOICES, TrainingConfig

EXAMPLES = """examples:
  python train.py --voc VOCdevkit/VOC2012                        the paper's training, VGG-19's weights from Keras
  python train.py --voc VOCdevkit/VOC2012 --ablation compare-bn  one of the paper's ablations
  python train.py --resume runs/paper                            go on where a run stopped
  python train.py --voc VOCdevkit/VOC2012 -o runs/compact --variant compact --transfer none --recipe photographic \\
      --crop --size 160 --split voc --optimizer adamw --learning-rate 2e-3 --schedule cosine --average 0.999
  python train.py --voc VOCdevkit/VOC2012 --variant light --transfer none --start model/bundled/light.weights.h5
exit codes: 0 done, 1 an input cannot be used, 2 wrong usage"""


def build_parser() -> argparse.ArgumentParser:
    """The command line; the defaults are those of `TrainingConfig`, the paper's."""
    default = TrainingConfig()
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--voc", type=Path, metavar="DIR", help="VOCdevkit/VOC2012 or a folder above it")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder of the run (default runs/VARIANT)")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on with the run in DIR, with its own settings")
    parser.add_argument(
        "--strategy",
        default="one",
        choices=("one", "mirrored", "multiworker"),
        help="one device; all of this host; all of the hosts in TF_CONFIG (docs/distributed.md)",
    )
    parser.add_argument("--cache", action="store_true", help="keep photographs decoded: 0.75 MB a scene")
    parser.add_argument(
        "--keep-checkpoints",
        type=positive,
        default=KEPT,
        metavar="N",
        help=f"how many to keep, at most {MOST} ({KEPT})",
    )
    parser.add_argument("--checkpoint-steps", type=natural, default=500, metavar="N", help="steps between checkpoints")
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard logs there")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--json", action="store_true", help="print the training record as JSON at the end")
    add_debug(parser)

    network = parser.add_argument_group("network")
    network.add_argument("--variant", default=default.variant, choices=CHOICES["variant"])
    network.add_argument(
        "--ablation", choices=ABLATIONS, help="one of the paper's ablations, on top of the other options"
    )
    network.add_argument(
        "--no-batch-norm", dest="batch_norm", action="store_false", help="leave batch normalisation out"
    )
    network.add_argument("--initializer", default=default.initializer, choices=CHOICES["initializer"])
    network.add_argument(
        "--transfer", default=default.transfer, metavar="WHAT", help="imagenet, a VGG-19 file, or none"
    )
    network.add_argument("--no-transfer", dest="transfer", action="store_const", const=None, help="--transfer none")
    network.add_argument("--start", metavar="FILE", help="a weights file to start from; needs --transfer none")
    network.add_argument("--vgg19-md5", metavar="MD5", help="expected md5 of a VGG-19 file that is not Keras' own")
    network.add_argument("--freeze-transferred", type=natural, default=default.freeze_transferred, metavar="EPOCHS")

    data = parser.add_argument_group("data")
    data.add_argument("--recipe", default=default.recipe, choices=("paper", "photographic"))
    data.add_argument("--size", type=positive, default=default.size, help="side of the training images (224)")
    data.add_argument("--crop", action="store_true", help="random crops at native resolution instead of resizing")
    data.add_argument("--blur-window", type=positive, default=default.blur_window, help="3 (paper); 7 is Liu 2017's")
    data.add_argument("--split", default=default.split, choices=CHOICES["split"], help="a seeded draw, or VOC's lists")
    data.add_argument("--scenes", type=positive, default=default.scenes, help="scenes to draw (2000)")
    data.add_argument("--validation-recipe", choices=("paper", "photographic"), help="recipe to validate on (--recipe)")
    data.add_argument("--validation-pairs", type=positive, metavar="N", help="pairs to validate on (all)")
    data.add_argument("--pairs-per-batch", type=positive, default=default.pairs_per_batch, help="two images each (4)")

    loss = parser.add_argument_group("loss and optimisation")
    loss.add_argument("--side-weights", type=float, nargs=5, default=default.side_weights, metavar="W")
    loss.add_argument("--l2-weight", type=float, default=default.l2_weight, help="factor of the L2 term (1)")
    loss.add_argument("--pair-weight", type=float, default=default.pair_weight, help="factor of the pair term (0)")
    loss.add_argument("--detail-weighting", action="store_true", help="count pixels by how much the sources differ")
    loss.add_argument("--epochs", type=positive, default=default.epochs, help="(50)")
    loss.add_argument("--optimizer", default=default.optimizer, choices=CHOICES["optimizer"])
    loss.add_argument("--learning-rate", type=float, default=default.learning_rate, help="(1e-6)")
    loss.add_argument("--momentum", type=float, default=default.momentum, help="(0.9)")
    loss.add_argument("--weight-decay", type=float, default=default.weight_decay, help="(0.001)")
    loss.add_argument("--schedule", default=default.schedule, choices=CHOICES["schedule"])
    loss.add_argument("--warmup-steps", type=natural, default=default.warmup_steps, metavar="N")
    loss.add_argument("--clip-norm", type=float, metavar="NORM", help="longest gradient")
    loss.add_argument("--average", type=float, metavar="DECAY", help="moving average of the weights, such as 0.999")
    loss.add_argument("--mixed-precision", action="store_true", help="float16 where it is safe, for GPUs")
    loss.add_argument("--jit", action="store_true", help="compile with XLA")
    loss.add_argument("--seed", type=natural, default=default.seed)
    loss.add_argument("--deterministic", action="store_true", help="the same numbers each time, a little slower")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.resume:
        folder = arguments.resume
        config, voc = read_settings(folder)
    else:
        if arguments.voc is None:
            parser.error("--voc DIR is needed: the folder of PASCAL VOC 2012.")
        config, voc = read_config(parser, arguments), arguments.voc
        folder = arguments.output or Path("runs") / (arguments.ablation or config.variant)
    if arguments.keep_checkpoints > MOST:
        parser.error(f"--keep-checkpoints must be at most {MOST}, received {arguments.keep_checkpoints}.")
    if arguments.tensorboard and find_spec("tensorboard") is None:
        raise InputError("TensorBoard is not installed: `pip install tensorboard`, or leave --tensorboard out.")
    from model import TrainingRun  # loads TensorFlow, which wrong usage need not wait for
    from model.training.distribution import make_distribution

    distribution = make_distribution(arguments.strategy)
    if distribution.chief and not arguments.resume and (folder / CHECKPOINT).exists():
        raise InputError(f"{folder} holds a run already; go on with --resume {folder}, or choose another -o.")
    options = {"resume": bool(arguments.resume), "distribution": distribution, "cache": arguments.cache}
    if arguments.vgg19_md5:
        options["vgg19_md5"] = arguments.vgg19_md5
    run = TrainingRun(config, arguments.voc or voc, folder, **options)
    arguments.quiet |= not distribution.chief
    if not arguments.quiet:
        print(run.describe(), file=sys.stderr)
    with tqdm(
        total=run.total_steps, initial=run.steps_done, unit="step", disable=arguments.quiet, smoothing=0.05
    ) as bar:

        def observe(epoch, means, seconds_a_step):
            bar.set_description(f"epoch {epoch}/{config.epochs}", refresh=False)
            speed = 2 * config.pairs_per_batch / seconds_a_step
            text = f"loss {means['loss']:.4f}, map {means['accuracy']:.1%}, {speed:.1f} images/s"
            bar.set_postfix_str(text, refresh=False)
            bar.update()

        record = run.run(
            observe,
            checkpoint_steps=arguments.checkpoint_steps,
            keep_checkpoints=arguments.keep_checkpoints,
            tensorboard=arguments.tensorboard,
        )
    best = record["epochs"][int(record["best_epoch"]) - 1]
    if arguments.json and distribution.chief:
        print(json.dumps(record, indent=2))
    elif not arguments.quiet:
        print(
            f"{folder}: best epoch {best['epoch']}, validation accuracy {best['val_accuracy']:.4f}, "
            f"IoU {best['val_iou']:.4f}, Q_ABF {best['val_q_abf']:.4f}, PSNR {best['val_psnr']:.2f} dB"
        )
    return EXIT_DONE


def read_config(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> TrainingConfig:
    """The settings that a command line asks for; ends the program where they make no sense."""
    chosen = {name: value for name, value in vars(arguments).items() if name in TrainingConfig.__dataclass_fields__}
    chosen["side_weights"] = tuple(chosen["side_weights"])
    chosen["transfer"] = None if chosen["transfer"] == "none" else chosen["transfer"]
    chosen.update(ABLATIONS.get(arguments.ablation, {}))
    try:
        return TrainingConfig(**chosen)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(run_command(main))
