"""One table, set as Markdown or as LaTeX."""

import re
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
        "\n": " ",
    }
)
_MARKDOWN_CHARACTERS = str.maketrans(
    {"\\": "\\\\", "|": "\\|", "*": "\\*", "`": "\\`", "<": "&lt;", ">": "&gt;", "\n": " "}
)
# Inside a word (Q_ABF) an underscore is plain text in GitHub Markdown, and stays readable in a terminal.
_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")


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
            lines.append(_markdown_row([escape_markdown(label), *(_emphasise_markdown(cell) for cell in cells)]))
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
            lines.append(" & ".join([escape_latex(label), *(_emphasise_latex(cell) for cell in cells)]) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}"]
        lines += [rf"\par\footnotesize {escape_latex(note)}" for note in self.notes]
        return "\n".join([*lines, r"\end{table}"]) + "\n"


def escape_markdown(text: str) -> str:
    """Text that Markdown prints as it is, also inside a table."""
    return _EDGE_UNDERSCORE.sub(r"\_", text.translate(_MARKDOWN_CHARACTERS))


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is; the signs of these tables become mathematics."""
    return text.translate(_LATEX_CHARACTERS)


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _emphasise_markdown(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    return {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(cell.rank, text)


def _emphasise_latex(cell: Cell) -> str:
    text = escape_latex(cell.text)
    return {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(cell.rank, text)
