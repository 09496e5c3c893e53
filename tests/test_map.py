"""Imports go the way that the map in docs/development.md shows."""

import ast
import re

from tests.conftest import REPOSITORY

DATA_ROOMS = ["data", "datasets", "synthesis", "registration", "io", "imaging", "runtime"]
"""What the map calls the data rooms: `data/` and its folders."""


def read_map():
    """Room to the rooms that it may import, as the table says; scripts make a room together."""
    text = (REPOSITORY / "docs" / "development.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?`) \| .* \| (.+) \|$", text, re.MULTILINE)
    rooms = [rooms_of(names) for names, _ in rows]
    allowed = {}
    for number, (names, (_, arrow)) in enumerate(zip(rooms, rows, strict=True)):
        below = [name for later in rooms[number + 1 :] for name in later]
        named = [] if arrow == "nothing" else arrow.removeprefix("→ ").split(", ")
        if "data rooms" in named:
            named.remove("data rooms")
            named += DATA_ROOMS
        allowed |= dict.fromkeys(names, below if named == ["all below"] else named)
    return allowed


def rooms_of(names):
    return [name.removesuffix("/").split("/")[-1].removesuffix(".py") for name in re.findall(r"`([\w/.]+)`", names)]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def room_of(module):
    parts = module.split(".")
    if parts[0] not in ("data", "metrics", "model") and len(parts) + (REPOSITORY / f"{module}.py").is_file() < 2:
        return ""  # a library, such as Python's own io
    inner = parts[0] == "model" or (parts[1:2] and parts[1] in DATA_ROOMS)
    return parts[1] if inner and len(parts) > 1 else parts[0]


def test_imports_go_downwards():
    allowed = read_map()
    assert {"experiments", "training", "fusion", "networks", "baselines", *DATA_ROOMS, "metrics", "train"} < set(
        allowed
    )
    folders = [path for path in REPOSITORY.iterdir() if path.name in ("data", "metrics", "model")]
    wrong = []
    for path in [*REPOSITORY.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]:
        module = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        if module == "model.__init__":
            continue  # names what it loads when it is asked for
        room = room_of(module)
        rooms = {room_of(name) for name in imported(path)} & set(allowed)
        wrong += [f"{module} imports {other}" for other in rooms - {room, *allowed[room]}]
    assert not wrong
