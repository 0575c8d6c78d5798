"""How the site reads docstrings: a griffe extension, since Markdown is not quite what they are."""

from typing import Any

import griffe


def fenced(text: str) -> str:
    r"""A docstring with its examples in fences, for Markdown takes ``>>>`` for a quotation.

    >>> fenced("As here:\n\n>>> 1 + 1\n2")
    'As here:\n\n```pycon\n>>> 1 + 1\n2\n```'
    """
    blocks = text.split("\n\n")
    for at, block in enumerate(blocks):
        if block.lstrip().startswith(">>>"):
            indent = block[: len(block) - len(block.lstrip())]
            blocks[at] = f"{indent}```pycon\n{block.rstrip()}\n{indent}```"
    return "\n\n".join(blocks)


class Docstrings(griffe.Extension):
    """Makes of every docstring that is read what the site can show."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each object once it is read."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
