"""One table, set as Markdown or LaTeX, and rows as CSV; names of files appear as they are, and do nothing."""

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
"""What LaTeX would act on, and the signs of tables that it lacks."""

_MARKDOWN = str.maketrans(
    {
        **{character: f"\\{character}" for character in "\\|*`[]~"},
        "<": "&lt;",
        ">": "&gt;",
        "$": "&#36;",  # begins mathematics on GitHub, also after a backslash
        "@": "<span>@</span>",  # GitHub makes links of addresses of mail even where the sign is an entity
    }
)
"""What Markdown would act on."""

_ENTITY = re.compile(r"&(?=[#\w])")
"""Where Markdown would read the name of a character; any other "&" is plain text."""

_AUTOLINK = re.compile(r"(?<=:)//|(?<=www)\.|(?<=mailto):|(?<=xmpp):", re.IGNORECASE)
"""GitHub makes links of bare addresses; an entity in them is shown as its character and ends that."""

_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""Inside a word (Q_ABF) an underscore is plain text in GitHub Markdown, and stays readable in a terminal."""

_ACTIVE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of what acts or cannot be shown: control, direction, undecodable bytes, ends of lines."""

_FORMULA = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001 - spreadsheets take the wide ones for the others
"""What a cell begins with that a spreadsheet computes in place of showing it."""


@dataclass(frozen=True)
class Cell:
    """Text of one cell and its rank in the column: 1 = best, 2 = second, 0 = neither."""

    text: str
    rank: int = 0

    def markdown(self) -> str:
        """The text as it is, the best in bold, the second underlined."""
        text = escape_markdown(self.text)
        return {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(self.rank, text)

    def latex(self) -> str:
        """The same."""
        text = escape_latex(self.text)
        return {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(self.rank, text)


@dataclass(frozen=True)
class Column:
    """Header of one column: plain, as ready-made LaTeX ("" = as the plain one), and an arrow for the direction."""

    title: str
    latex: str = ""
    arrow: str = ""


@dataclass(frozen=True)
class Table:
    """A table that does not know its markup.

    Attributes:
        columns: The header, the first column included; a text is the title of a column.
        rows: Of one cell for each column; what is no `Cell` stands for one without a rank.
        caption: Plain text over the table; "" for none.
        notes: Plain sentences under the table.
    """

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell | str | int]]
    caption: str = ""
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """GitHub Markdown: the first column to the left, the others to the right; the best value in bold, the second
        underlined."""
        header = [f"{escape_markdown(column.title)} {column.arrow}".rstrip() for column in map(_column, self.columns)]
        rows = [[_cell(value).markdown() for value in row] for row in self.rows]
        lines = [escape_markdown(self.caption), ""] if self.caption else []
        lines += [f"| {' | '.join(row)} |" for row in (header, ["---"] + ["---:"] * (len(header) - 1), *rows)]
        if self.notes:
            lines += ["", *(f"- {escape_markdown(note)}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """LaTeX with the package booktabs: as in Markdown."""
        header = [
            f"{column.latex or escape_latex(column.title)} {escape_latex(column.arrow)}".rstrip()
            for column in map(_column, self.columns)
        ]
        rows = [[_cell(value).latex() for value in row] for row in self.rows]
        lines = [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_latex(self.caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"\toprule",
            f"{' & '.join(header)} \\\\",
            r"\midrule",
            *(f"{' & '.join(row)} \\\\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\footnotesize {escape_latex(note)}" for note in self.notes),
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    """Text as one line in which nothing acts: control and direction characters and undecodable bytes become escapes."""
    return "".join(_escape(one) if unicodedata.category(one) in _ACTIVE else one for one in text)


def escape_markdown(text: str) -> str:
    """Text that Markdown prints as it is, also inside a table."""
    text = _ENTITY.sub("&amp;", printable(text)).translate(_MARKDOWN)
    text = _EDGE_UNDERSCORE.sub(r"\\_", text)
    return _AUTOLINK.sub(lambda match: f"&#{ord(match[0][0])};{match[0][1:]}", text)


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is; the signs of these tables become mathematics."""
    return printable(text).translate(_LATEX)


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


def _column(column: Column | str) -> Column:
    return Column(column) if isinstance(column, str) else column


def _cell(value: Cell | str | int) -> Cell:
    return value if isinstance(value, Cell) else Cell(str(value))
