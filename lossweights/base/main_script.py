"""Whether the program that runs launches a sweep, told by its text before it has loaded."""

from __future__ import annotations

import re
import sys
from pathlib import Path

MOST_BYTES = 1 << 20  # of a script that is read
_DECLARES = re.compile(r"^(\w+)(?:: [\w.]+)? = (?:\w+\.)*Sweep\(", re.MULTILINE)


def launches_sweep() -> bool:
    """Whether the main script has ``sweep = lw.Sweep(...)`` and ``sweep.main()``.

    What it says is neither parsed nor run: a script of another shape is launched as well, and a
    comment of that shape costs a process that is not needed.
    """
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if file is None:
        return False
    try:
        with Path(file).open("rb") as script:
            text = script.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return False
    return declares_and_launches(text)


def declares_and_launches(text: str) -> bool:
    r"""Whether a script does both, with one name.

    >>> declares_and_launches("sweep = lw.Sweep(name='a')\n    sweep.main()\n")
    True
    >>> declares_and_launches("sweep = lw.Sweep(name='a')\nprint(sweep)\n")
    False
    """
    names = set(_DECLARES.findall(text))
    return any(re.search(rf"^\s+{name}\.main\(", text, re.MULTILINE) for name in names)
