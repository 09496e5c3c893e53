"""Tables as Markdown and LaTeX, and rows as CSV; text such as file names is escaped, so that it is shown literally."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}"}
    | {"±": r"$\pm$", "∞": r"$\infty$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"}
)
"""Special characters of LaTeX, and signs in tables that it has only as commands."""

_MARKDOWN = str.maketrans(
    {
        **{character: f"\\{character}" for character in "\\|*`[]~"},
        "<": "&lt;",
        ">": "&gt;",
        "$": "&#36;",  # starts mathematics on GitHub, even after a backslash
        "@": "<span>@</span>",  # GitHub links mail addresses even where the sign is an entity
    }
)
"""Special characters of Markdown."""

_ENTITY = re.compile(r"&(?=[#\w])")
"""An "&" that starts a character reference in Markdown; any other is plain text."""

_AUTOLINK = re.compile(r"(?<=:)//|(?<=www)\.|(?<=mailto):|(?<=xmpp):", re.IGNORECASE)
"""Parts that make GitHub link bare addresses; as an entity, their first character is shown and prevents the link."""

_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""Underscores outside words; inside (Q_ABF) they are plain text in GitHub Markdown, and readable in a terminal."""

_UNSAFE_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that have an effect or cannot be shown: control, format, surrogates, line separators."""

_FORMULA = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001 - spreadsheets treat the full-width ones alike
"""Characters at the start of a cell that make a spreadsheet evaluate it as a formula."""


@dataclass(frozen=True)
class Cell:
    """Text of one cell, and its rank in the column: 1 = best, 2 = second, 0 = neither."""

    text: str
    rank: int = 0

    def markdown(self) -> str:
        """Formats the escaped text as Markdown, the best in bold, the second underlined."""
        text = escape_markdown(self.text)
        return {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(self.rank, text)

    def latex(self) -> str:
        """Formats the escaped text as LaTeX, the best in bold, the second underlined."""
        text = escape_latex(self.text)
        return {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(self.rank, text)


@dataclass(frozen=True)
class Column:
    """Header of one column: plain text, LaTeX code ("" = the escaped text), and an arrow for the direction."""

    title: str
    latex: str = ""
    arrow: str = ""


@dataclass(frozen=True)
class Table:
    """A table, independent of its markup.

    Attributes:
        columns: Headers of all columns; plain text is the title of a column without arrow.
        rows: Rows with one cell for each column; a value that is no `Cell` has no rank.
        caption: Plain text above the table; "" for none.
        notes: Plain sentences below the table.
        latex_notes: The same for LaTeX, where they differ; None: they do not.
        label: Of the table in LaTeX, without special characters; "" for none.
    """

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell | str | int]]
    caption: str = ""
    notes: Sequence[str] = ()
    latex_notes: Sequence[str] | None = None
    label: str = ""

    def markdown(self) -> str:
        """Formats the table as GitHub Markdown, the first column aligned left, the others right."""
        header = [f"{escape_markdown(column.title)} {column.arrow}".rstrip() for column in map(_column, self.columns)]
        rows = [[_cell(value).markdown() for value in row] for row in self.rows]
        lines = [escape_markdown(self.caption), ""] if self.caption else []
        lines += [f"| {' | '.join(row)} |" for row in (header, ["---"] + ["---:"] * (len(header) - 1), *rows)]
        if self.notes:
            lines += ["", *(f"- {escape_markdown(note)}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """Formats the table as LaTeX, with the packages booktabs and graphicx, aligned as in Markdown; no wider than a
        line."""
        notes = self.notes if self.latex_notes is None else self.latex_notes
        header = [
            f"{column.latex or escape_latex(column.title)} {escape_latex(column.arrow)}".rstrip()
            for column in map(_column, self.columns)
        ]
        rows = [[_cell(value).latex() for value in row] for row in self.rows]
        lines = [
            r"% needs \usepackage{booktabs,graphicx}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_latex(self.caption)}}}",
            *([rf"\label{{{self.label}}}"] if self.label else []),
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"\toprule",
            f"{' & '.join(header)} \\\\",
            r"\midrule",
            *(f"{' & '.join(row)} \\\\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}}",
            *(rf"\par\footnotesize {escape_latex(note)}" for note in notes),
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    """Escapes text to one safe line: control and format characters and undecodable bytes become backslash escapes."""
    return "".join(_escape(one) if unicodedata.category(one) in _UNSAFE_CATEGORIES else one for one in text)


def escape_markdown(text: str) -> str:
    """Escapes text so that Markdown shows it literally, also inside a table."""
    text = _ENTITY.sub("&amp;", printable(text)).translate(_MARKDOWN)
    text = _EDGE_UNDERSCORE.sub(r"\\_", text)
    return _AUTOLINK.sub(lambda match: f"&#{ord(match[0][0])};{match[0][1:]}", text)


def escape_latex(text: str) -> str:
    """Escapes text so that LaTeX shows it literally; the signs of these tables become mathematics."""
    return printable(text).translate(_LATEX)


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Formats rows as CSV; cells that a spreadsheet would evaluate get an apostrophe in front, except numbers."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([_csv_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _csv_cell(text: str) -> str:
    return f"'{printable(text)}" if text.startswith(_FORMULA) and not _is_number(text) else printable(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii()


def _escape(one: str) -> str:
    code = ord(one)
    if 0xDC80 <= code <= 0xDCFF:  # how Python represents a byte of a name that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _column(column: Column | str) -> Column:
    return Column(column) if isinstance(column, str) else column


def _cell(value: Cell | str | int) -> Cell:
    return value if isinstance(value, Cell) else Cell(str(value))
