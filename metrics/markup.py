"""One table, set as Markdown or LaTeX, and rows as CSV; names of files appear as they are, and do nothing."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LATEX_CHARACTERS = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "±": r"$\pm$",
        "∞": r"$\infty$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
    }
)
_MARKDOWN_CHARACTERS = str.maketrans(
    {
        **{character: f"\\{character}" for character in "\\|*`[]~"},
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "$": "&#36;",  # begins mathematics on GitHub, also after a backslash
        "@": "<span>@</span>",  # GitHub makes links of addresses of mail even where the sign is an entity
    }
)
# GitHub makes links of bare addresses; an entity in them is shown as its character and ends that.
_AUTOLINK = re.compile(r"(?<=:)//|(?<=www)\.|(?<=mailto):|(?<=xmpp):", re.IGNORECASE)
# Inside a word (Q_ABF) an underscore is plain text in GitHub Markdown, and stays readable in a terminal.
_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")

_ACTIVE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of what acts or cannot be shown: control, direction, undecodable bytes, ends of lines."""

_FORMULA = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001 - spreadsheets take the wide ones for the others
"""What a cell begins with that a spreadsheet computes in place of showing it."""


@dataclass(frozen=True)
class Cell:
    """Text of one cell and its rank in the column: 1 = best, 2 = second, 0 = neither."""

    text: str
    rank: int = 0


@dataclass(frozen=True)
class Column:
    """Header of one column: plain, as ready-made LaTeX, and an arrow for the direction (or nothing)."""

    title: str
    latex: str
    arrow: str = ""


@dataclass(frozen=True)
class Table:
    """A table that does not know its markup.

    Attributes:
        caption: Plain text over the table.
        columns: The columns after the first, which holds the row labels.
        rows: Row label and its cells, one for each column.
        notes: Plain sentences under the table.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """GitHub Markdown: best value in bold, second underlined."""
        header = ["Method", *(f"{escape_markdown(column.title)} {column.arrow}".rstrip() for column in self.columns)]
        lines = [escape_markdown(self.caption), "", _markdown_row(header)]
        lines.append(_markdown_row(["---", *("---:" for _ in self.columns)]))
        for label, cells in self.rows:
            lines.append(_markdown_row([escape_markdown(label), *(_emphasize_markdown(cell) for cell in cells)]))
        if self.notes:
            lines += ["", *(f"- {escape_markdown(note)}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """LaTeX with the package booktabs: best value in bold, second underlined."""
        header = " & ".join(["Method", *(f"{column.latex} {escape_latex(column.arrow)}" for column in self.columns)])
        lines = [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_latex(self.caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * len(self.columns)}}}",
            r"\toprule",
            header.rstrip() + r" \\",
            r"\midrule",
        ]
        for label, cells in self.rows:
            lines.append(" & ".join([escape_latex(label), *(_emphasize_latex(cell) for cell in cells)]) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}"]
        lines += [rf"\par\footnotesize {escape_latex(note)}" for note in self.notes]
        return "\n".join([*lines, r"\end{table}"]) + "\n"


def printable(text: str) -> str:
    """Text as one line in which nothing acts: control and direction characters and undecodable bytes become escapes."""
    return "".join(_escape(one) if unicodedata.category(one) in _ACTIVE else one for one in text)


def escape_markdown(text: str) -> str:
    """Text that Markdown prints as it is, also inside a table."""
    text = _EDGE_UNDERSCORE.sub(r"\\_", printable(text).translate(_MARKDOWN_CHARACTERS))
    return _AUTOLINK.sub(lambda match: f"&#{ord(match[0][0])};{match[0][1:]}", text)


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is; the signs of these tables become mathematics."""
    return printable(text).translate(_LATEX_CHARACTERS)


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV; what a spreadsheet would compute begins with an apostrophe, unless it is a number."""
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
    if 0xDC80 <= code <= 0xDCFF:  # how Python stands in for a byte of a name that is no UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _emphasize_markdown(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    return {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(cell.rank, text)


def _emphasize_latex(cell: Cell) -> str:
    text = escape_latex(cell.text)
    return {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(cell.rank, text)
