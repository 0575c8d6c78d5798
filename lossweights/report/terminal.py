"""Text on a terminal: prose wraps at its width, what is copied never does, tables fit or are lists.

In a file or a pipe nothing is wrapped, so that a sentence is a line there.
"""

from __future__ import annotations

import sys
import textwrap
from contextlib import suppress

from rich.console import Console
from rich.table import Table

WIDTH_OF_PIPES = 120  # wide enough for the tables
NARROWEST = 20  # below that wrapping helps nobody
ANY_WIDTH = 10_000  # more than any table has


def page() -> Console:
    """The terminal, or for a file or a pipe a page wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_PIPES)


def forgive_encodings() -> None:
    """Have signs that the terminal's encoding lacks printed as escapes, instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # not a text file of Python's own, or closed
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def prose(console: Console, text: str, indent: int = 0) -> None:
    """A paragraph for people: on a terminal it is wrapped between words, and only there.

    Args:
        console: Where to.
        text: The paragraph; names and paths in it are not taken for markup.
        indent: Spaces before each line.
    """
    before = " " * indent
    if console.is_terminal:
        # A word that is longer than a line is most likely a path: it stays whole.
        text = textwrap.fill(
            text,
            max(console.width, NARROWEST),
            initial_indent=before,
            subsequent_indent=before,
            break_long_words=False,
            break_on_hyphens=False,
        )
    else:
        text = before + text
    copyable(console, text)


def copyable(console: Console, text: str) -> None:
    """A line as it is: paths, links and commands can be copied, nothing wraps or colours them."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def print_text(console: Console, text: str) -> None:
    """A text of several lines: its paragraphs wrap, and what is set in columns stays as it is."""
    for line in text.splitlines():
        is_aligned = "  " in line.strip() or line.startswith(" ")
        (copyable if is_aligned else prose)(console, line)


def print_table(console: Console, table: Table) -> None:
    """A table where it fits the width; elsewhere the same as a list, so that nothing is cut."""
    roomy = console.options.update(width=ANY_WIDTH)
    if console.measure(table, options=roomy).minimum <= console.width:
        console.print(table)
        return
    for text in filter(None, [table.title, *_as_list(table), table.caption]):
        prose(console, str(text))


def _as_list(table: Table) -> list[str]:
    """The rows as lines: ``trial 33: rmse 64.31, driven by mse (71%)``."""
    first, *others = (str(column.header) for column in table.columns)
    rows = zip(*(list(map(str, column.cells)) for column in table.columns), strict=True)
    return [
        f"{first} {name}: {', '.join(map(' '.join, zip(others, values, strict=True)))}"
        for name, *values in rows
    ]
