"""The pages for people: their commands exist, and their links lead somewhere."""

import re
import shlex
from importlib import import_module
from importlib.util import find_spec
from itertools import takewhile

import pytest

from tests.conftest import REPOSITORY

PAGES = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
    for path in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("model/**/*.md")]
}
OWN = re.compile(r"python (?:(?:fuse|train|evaluate)\.py|-m (?:data|metrics|model)\.)")
"""How a command of the project begins."""

MOST_LINES = 250
"""Of the README, which is for newcomers."""


def commands():
    """Commands on all pages, in the lines of code blocks or between backticks, without what a shell makes of them."""
    found = set()
    for text in PAGES.values():
        joined = re.sub(r"\\\n", " ", text)
        blocks = re.findall(r"^ *```(?:sh|powershell)\n(.*?)^ *```", joined, re.MULTILINE | re.DOTALL)
        lines = [line for block in blocks for line in block.splitlines()]
        lines += [" ".join(span.split()) for span in re.findall(r"(?<!`)`(?!`)([^`]+)`", joined)]
        found |= {line[match.start() :] for line in lines if (match := OWN.search(line))}
    return sorted({re.split(r"#|>|[)\"']| &", line)[0].strip() for line in found})


def headings(text):
    """Anchors of a page, as GitHub makes them."""
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("command", commands())
def test_every_command_exists(command, capsys):
    """Its program has a help, and that help knows the subcommand and every option."""
    _, *words = shlex.split(command)
    if words[0] == "-m":
        name = words[1]
        name += ".__main__" if find_spec(name).submodule_search_locations else ""
        words = words[2:]
    else:
        name, words = words[0].removesuffix(".py"), words[1:]
    options = {word for word in words if re.match(r"--?[a-z]", word)}
    before = takewhile(lambda word: not word.startswith("-"), words)
    with pytest.raises(SystemExit) as stop:
        import_module(name).main([*before, "--help"])
    assert stop.value.code == 0
    known = re.findall(r"(?<![\w-])--?\w[\w-]*", capsys.readouterr().out)
    assert options <= set(known)


def test_commands_are_found():
    found = commands()
    assert len(found) > 80
    assert {"python fuse.py A.jpg B.jpg -o fused.png", "python -m model.measurements memory"} <= set(found)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    folder = (REPOSITORY / page).parent
    for address, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", PAGES[page]):
        target = (folder / address).resolve() if address else REPOSITORY / page
        assert target.exists(), address
        if anchor:
            assert anchor in headings(target.read_text(encoding="utf-8")), f"{address}#{anchor}"


def test_the_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= MOST_LINES
