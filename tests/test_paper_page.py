"""The page of the paper's tables and figures: all are there, its commands exist, its links lead somewhere."""

import re
import shlex
from importlib import import_module
from importlib.util import find_spec

import pytest

from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "paper.md"
TEXT = PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
COMMANDS = sorted(set(re.findall(r"(?:`|^)(python [^`\n]+)", TEXT, re.MULTILINE)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command, capsys):
    """Its program has a help, and that help knows the subcommand and every option."""
    _, *words = shlex.split(command)
    if words[0] == "-m":
        name = words[1]
        name += ".__main__" if find_spec(name).submodule_search_locations else ""
        words = words[2:]
    else:
        name, words = words[0].removesuffix(".py"), words[1:]
    options = [word for word in words if word.startswith("-")]
    with pytest.raises(SystemExit) as stop:
        import_module(name).main([*words, "--help"])
    assert stop.value.code == 0
    known = re.findall(r"(?<![\w-])--?\w[\w-]*", capsys.readouterr().out)
    assert set(options) <= set(known)


def test_all_tables_and_figures_have_a_line():
    tables, figures = re.findall(r"^## (?:Tables|Figures)\n(.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL)
    for part, last in ((tables, 9), (figures, 16)):
        numbers = []
        for first, to, end in re.findall(r"^\| (\d+)(,| to)? ?(\d+)? \|", part, re.MULTILINE):
            numbers += range(int(first), int(end) + 1) if to else [int(first)]
        assert numbers == list(range(1, last + 1))


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT)
    assert len(links) > 5
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
