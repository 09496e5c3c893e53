"""Trains the network that tells which pixels are out of focus. Without options it is the paper's training."""

import data.runtime.interrupts  # noqa: F401 - first: it looks after the imports that follow

# isort: split
import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import Field, fields, replace
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

from tqdm import tqdm

from data.runtime.arguments import SCENES_HELP, add_shared, command_parser, natural, positive
from data.runtime.errors import EXIT_DONE, InputError, add_debug, run_command
from data.runtime.installation import install_hint
from model.training.checkpoints import KEPT_CHECKPOINTS, MOST_CHECKPOINTS
from model.training.run_folder import read_settings
from model.training.settings import (
    ABLATIONS,
    CHECKPOINT,
    CHOICES,
    DISTRIBUTIONS,
    POSITIVE,
    TrainingConfig,
    add_checkpoint_minutes,
)

EXAMPLES = """examples:
  python train.py --voc VOCdevkit/VOC2012                        the paper's training, VGG-19's weights from Keras
  python train.py --voc VOCdevkit/VOC2012 --ablation compare-bn  one of the paper's ablations
  python train.py --voc own                                      own/images, and own/masks with equal names
  python train.py --resume runs/paper                            continue a run that was stopped
  python train.py --voc VOCdevkit/VOC2012 -o runs/compact --variant compact --transfer none --recipe photographic \\
      --crop --size 160 --split voc --optimizer adamw --learning-rate 2e-3 --schedule cosine --average 0.999
  python train.py --voc VOCdevkit/VOC2012 --variant light --transfer none --start model/bundled/light.weights.h5
exit codes: 0 done, 1 an input cannot be used, 2 wrong usage"""


def build_parser() -> argparse.ArgumentParser:
    """Builds the parser of the command line, with an option for each setting of `TrainingConfig`."""
    parser = command_parser(__doc__, EXAMPLES)
    parser.add_argument("--voc", type=Path, metavar="DIR", help=SCENES_HELP)
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder of the run (default runs/VARIANT)")
    parser.add_argument(
        "--resume", type=Path, metavar="DIR", help="continue the run in DIR with its own settings, except for --epochs"
    )
    parser.add_argument("--ablation", choices=ABLATIONS, help="one of the paper's ablations, or encoder-skips (ours)")
    parser.add_argument("--vgg19-md5", metavar="MD5", help="expected md5 of a VGG-19 file other than Keras'")
    parser.add_argument(
        "--distribution",
        default=DISTRIBUTIONS[0],
        choices=DISTRIBUTIONS,
        help="one device, all devices of this host, or all of the hosts in TF_CONFIG (docs/distributed.md)",
    )
    add_shared(parser, "--cache", "--device")
    parser.add_argument(
        "--keep-checkpoints",
        type=positive,
        default=KEPT_CHECKPOINTS,
        metavar="N",
        help=f"number of checkpoints to keep, at most {MOST_CHECKPOINTS} (%(default)s)",
    )
    add_checkpoint_minutes(parser)
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="folder of TensorBoard logs")
    add_shared(parser, "--quiet")
    parser.add_argument("--json", action="store_true", help="print the training record as JSON at the end")
    add_debug(parser)
    kinds = get_type_hints(TrainingConfig)
    for group, settings in groupby(fields(TrainingConfig), lambda setting: setting.metadata["group"]):
        part = parser.add_argument_group(group)
        for setting in settings:
            part.add_argument(f"--{setting.name.replace('_', '-')}", **_describe(setting, kinds[setting.name]))
    return parser


def _describe(setting: Field, kind: Any) -> dict[str, Any]:
    """Returns the arguments of `add_argument` for a setting; an option that is not given sets no attribute."""
    default, metadata = setting.default, setting.metadata
    if isinstance(default, bool):
        shown: Any = "on" if default else "off"
    else:
        shown = " ".join(f"{value:g}" for value in default) if isinstance(default, tuple) else default
    text = metadata["help"] if default is None else f"{metadata['help']} ({shown})"
    described: dict[str, Any] = {"dest": setting.name, "default": argparse.SUPPRESS, "help": text}
    if kind is bool:
        return described | {"action": argparse.BooleanOptionalAction}
    if setting.name == "mixed_precision":  # the option without a value
        described |= {"nargs": "?", "const": CHOICES[setting.name][0]}
    if setting.name in CHOICES:
        return described | {"choices": CHOICES[setting.name]}
    described["metavar"] = metadata["metavar"]
    if isinstance(default, tuple):
        return described | {"type": float, "nargs": len(default)}
    if int in (kind, *get_args(kind)):
        return described | {"type": positive if setting.name in POSITIVE else natural}
    return described | {"type": float if float in (kind, *get_args(kind)) else str}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.resume:
        folder = arguments.resume
        _refuse_settings(parser, arguments)
        config, voc = read_settings(folder)
        config = replace(config, epochs=getattr(arguments, "epochs", config.epochs))
    else:
        if arguments.voc is None:
            parser.error("--voc DIR is needed: the folder of PASCAL VOC 2012, or one with images/ and masks/.")
        config, voc = read_config(parser, arguments), arguments.voc
        folder = arguments.output or Path("runs") / (arguments.ablation or config.variant)
    if arguments.keep_checkpoints > MOST_CHECKPOINTS:
        parser.error(f"--keep-checkpoints must be at most {MOST_CHECKPOINTS}, received {arguments.keep_checkpoints}.")
    if arguments.tensorboard and find_spec("tensorboard") is None:
        raise InputError(f"TensorBoard is not installed: {install_hint('tensorboard')}, or leave --tensorboard out.")
    from model import TrainingRun, choose_device  # loads TensorFlow, which wrong usage need not wait for
    from model.training.distribution import make_distribution

    choose_device(arguments.device)
    distribution = make_distribution(arguments.distribution)
    if distribution.chief and not arguments.resume and (folder / CHECKPOINT).exists():
        raise InputError(f"{folder} holds a run already; go on with --resume {folder}, or choose another -o.")
    options = {"resume": bool(arguments.resume), "distribution": distribution, "cache": arguments.cache}
    if arguments.vgg19_md5:
        options["vgg19_md5"] = arguments.vgg19_md5
    run = TrainingRun(config, arguments.voc or voc, folder, **options)
    if run.loop.progress.epoch > config.epochs:
        raise InputError(f"{folder} has {run.loop.progress.epoch} epochs already; give --epochs above that to go on.")
    arguments.quiet |= not distribution.chief
    if run.loop.steps_done >= run.loop.total_steps and not arguments.quiet:
        print(f"{folder} is finished: --epochs above {run.loop.progress.epoch} goes on.", file=sys.stderr)
    if not arguments.quiet:
        print(run.describe(), file=sys.stderr)
    with tqdm(
        total=run.loop.total_steps, initial=run.loop.steps_done, unit="step", disable=arguments.quiet, smoothing=0.05
    ) as bar:

        def observe(epoch: int, means: dict[str, float], seconds_a_step: float) -> None:
            bar.set_description(f"epoch {epoch}/{config.epochs}", refresh=False)
            speed = 2 * config.pairs_per_batch / seconds_a_step
            text = f"loss {means['loss']:.4f}, map {means['accuracy']:.1%}, {speed:.1f} images/s"
            bar.set_postfix_str(text, refresh=False)
            bar.update()

        record = run.run(
            observe,
            checkpoint_minutes=arguments.checkpoint_minutes,
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
    """Makes the settings that a command line asks for; ends the program if they are invalid."""
    chosen = _given(arguments)
    if chosen.get("transfer") == "none":
        chosen["transfer"] = None
    chosen.update(ABLATIONS.get(arguments.ablation, {}))
    try:
        return TrainingConfig(**chosen)
    except ValueError as error:
        parser.error(str(error))


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the settings that are on the command line."""
    return {name: value for name, value in vars(arguments).items() if name in TrainingConfig.__dataclass_fields__}


def _refuse_settings(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Ends the program if an option would be ignored, since a resumed run keeps its settings."""
    ignored = [name for name in _given(arguments) if name != "epochs"]
    ignored += [name for name in ("output", "ablation", "vgg19_md5") if getattr(arguments, name) is not None]
    if ignored:
        option = f"--{ignored[0].replace('_', '-')}"
        parser.error(f"--resume goes on with the run's own settings; leave {option} out, or start a new run.")


def command() -> NoReturn:
    """Runs the command line as a process does; see `--help`."""
    sys.exit(run_command(main))


if __name__ == "__main__":
    command()
