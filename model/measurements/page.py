"""Measures the page with large frames, as its browser asks for them: a server of its own, over HTTP."""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import requests

from data.runtime.arguments import add_shared, positive
from data.runtime.errors import InputError
from data.stacks import draw_scene
from data.synthesis.stack_renderer import render_frames
from data.synthesis.stack_scenes import KINDS
from model.measurements.output import print_figures, with_progress

EXAMPLES = """examples:
  python -m model.measurements page                                8 frames of 24 megapixels
  python -m model.measurements page --frames 4 --size 2000 1500 --json
measured: sending the frames, fusing them, a stroke, the first tiles of a view and of a view beside it, saving as JPEG,
and the most memory that the server took (Linux)"""

DRAWN = 750, 500
"""Width and height of the picture that frames are tiled of."""

TILE = 512
"""Side of the page's tiles, in pixels."""

STARTING = 300
"""Tenths of a second in which a server must answer."""

FUSE = Path(__file__).parents[2] / "fuse.py"
"""The script that serves the page."""

Step = tuple[str, Callable[[], Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("--frames", type=positive, default=8, metavar="N", help="(%(default)s)")
    parser.add_argument("--size", type=positive, nargs=2, default=(6000, 4000), metavar=("W", "H"), help="(6000 4000)")
    add_shared(parser, "--json", "--quiet")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: The server does not start, or refuses something.
    """
    frames = _draw(arguments.frames, *arguments.size)
    command = [sys.executable, str(FUSE), "--app", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            said = server.stderr.readline() if server.stderr else ""
            found = re.search(r"http://\S+", said)
            if found is None:
                raise InputError(f"the server does not start: {said.strip()}")
            with requests.Session() as session:
                _wait(session, found[0].rstrip(";"))
                steps = _steps(session, found[0].rstrip(";"), frames, arguments.size)
                figures = {name: _seconds(step) for name, step in with_progress(steps, arguments, "step")}
            figures["most memory (GB)"] = _most_memory(server.pid)
        finally:
            server.terminate()
    rows = [(name, f"{value:.2f}") for name, value in figures.items()]
    return print_figures(arguments, ("step", "seconds"), rows, figures)


def _draw(count: int, width: int, height: int) -> list[bytes]:
    """Draws a stack as JPEG files: a small scene in tiles."""
    capture = KINDS["desk"].capture
    layers, margin, rng = draw_scene("desk", capture, DRAWN[::-1], 0)
    drawn = list(render_frames(layers, capture, margin, rng))
    files = []
    for index in range(count):
        frame = drawn[index * len(drawn) // count]
        tiled = np.tile(frame, (-(-height // DRAWN[1]), -(-width // DRAWN[0]), 1))[:height, :width]
        files.append(cv2.imencode(".jpg", np.ascontiguousarray(tiled[..., ::-1]))[1].tobytes())
    return files


def _steps(session: requests.Session, address: str, frames: list[bytes], size: tuple[int, int]) -> list[Step]:
    """Returns what is measured, in order."""
    place = f"{address}/workplaces/{_ask(session, 'POST', f'{address}/workplaces').json()['workplace']}"
    numbers: list[int] = []
    middle = [size[0] / 2, size[1] / 2]

    def send() -> None:
        for index, frame in enumerate(frames):
            address = f"{place}/frames?name={index}.jpg"
            numbers.append(_ask(session, "PUT", address, data=frame).json()["id"])

    def fuse() -> None:
        _ask(session, "POST", f"{place}/fuse", json={"frames": numbers})
        while (task := _ask(session, "GET", f"{place}/progress").json())["state"] in ("waiting", "running"):
            time.sleep(0.1)
        if task["state"] != "done":
            raise InputError(f"the server did not fuse: {task['error']}")

    def look(first: int) -> None:
        columns, rows = (-(-side // TILE) for side in size)
        for row in range(min(3, rows)):
            for column in range(min(first, columns - 1), min(first + 4, columns)):
                _ask(session, "GET", f"{place}/tiles/result/0/{row}/{column}")

    stroke = {"frame": 0, "points": [middle, [middle[0] + 300, middle[1]]], "radius": 60, "softness": 0.5}
    return [
        (f"send {len(frames)} frames", send),
        ("fuse", fuse),
        ("the first tiles", lambda: look(0)),
        ("those beside them", lambda: look(4)),
        ("a stroke", lambda: _ask(session, "POST", f"{place}/strokes", json=stroke)),
        ("save as JPEG", lambda: _ask(session, "GET", f"{place}/saved?format=jpg")),
    ]


def _wait(session: requests.Session, address: str) -> None:
    """Waits until a server that has said its address answers there."""
    for _ in range(STARTING):
        try:
            session.get(f"{address}/health", timeout=5)
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise InputError(f"the server at {address} does not answer.")


def _ask(session: requests.Session, method: str, address: str, **content: Any) -> requests.Response:
    answer = session.request(method, address, timeout=600, **content)
    if not answer.ok:
        raise InputError(f"the server refused: {answer.text[:200]}")
    return answer


def _seconds(step: Callable[[], Any]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def _most_memory(process: int) -> float:
    """Returns the most memory that a process took, in GB; NaN where the system does not tell."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return float("nan")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 / 1e9 if found else float("nan")
