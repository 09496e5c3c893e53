"""Imports go the way that the map in CONTRIBUTING.md shows, and in no circle."""

import ast
import re
from graphlib import CycleError, TopologicalSorter

from tests.conftest import REPOSITORY

DATA_ROOMS = ["data", "datasets", "synthesis", "registration", "io", "imaging", "runtime"]
"""What the map calls the data rooms: `data/` and its folders."""


def read_map():
    """Room to the rooms that it may import, as the table says; scripts make a room together."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
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


def read_modules():
    """Names of all modules to their syntax trees; a package has the name of its folder."""
    folders = [REPOSITORY / name for name in ("data", "metrics", "model")]
    modules = {}
    for path in [*REPOSITORY.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]:
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        modules[".".join(parts).removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return modules


def imported(tree, inside_functions=True):
    """Names that a module imports, NAME.MEMBER for `from NAME import MEMBER`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif inside_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imported(node, inside_functions)


def home(name, modules):
    """The module that an imported name is, or in which it is defined; "" for one of a library."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def room_of(module):
    parts = module.split(".")
    inner = parts[0] == "model" or (parts[1:2] and parts[1] in DATA_ROOMS)
    return parts[1] if inner and len(parts) > 1 else parts[0]


def test_imports_go_downwards():
    allowed = read_map()
    assert {"experiments", "training", "fusion", "networks", "baselines", *DATA_ROOMS, "metrics", "train"} < set(
        allowed
    )
    modules = read_modules()
    wrong = []
    for module, tree in modules.items():
        if module == "model":
            continue  # names what it loads when it is asked for
        room = room_of(module)
        rooms = {room_of(home(name, modules)) for name in imported(tree)} & set(allowed)
        wrong += [f"{module} imports {other}" for other in rooms - {room, *allowed[room]}]
    assert not wrong


def test_every_room_is_on_the_map():
    rooms = {room_of(module) for module in read_modules()} - {"model"}
    assert rooms == set(read_map())


def find_circle(modules):
    """Modules that import each other, the first one again at the end; imports for annotations alone count too."""
    graph = {}
    for module, tree in modules.items():
        graph[module] = {home(name, modules) for name in imported(tree, inside_functions=False)} - {module, ""}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def test_files_import_each_other_in_no_circle():
    assert find_circle(read_modules()) == []


def test_a_circle_is_found():
    texts = {
        "a": "from b import B",
        "b": "if TYPE_CHECKING:\n    import c.d",
        "c": "",
        "c.d": "from c import e\ndef f():\n    import a",
        "c.e": "try:\n    from a import A\nexcept ImportError:\n    pass",
    }
    circle = find_circle({name: ast.parse(text) for name, text in texts.items()})
    assert circle[0] == circle[-1] and set(circle) == {"a", "b", "c.d", "c.e"}
    assert find_circle({name: ast.parse(text) for name, text in texts.items() if name != "c.e"}) == []
