"""Print the lowest versions that pyproject.toml allows, one requirement a line.

Read from the bounds themselves, so that no second list can differ from them. What the package
and its tests import is listed; ruff, mypy and the like are tools of `.venv`, which pins them.
"""

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
BOUNDED = re.compile(r"([A-Za-z0-9._-]+)\s*(?:>=|==)\s*([0-9][0-9A-Za-z.]*)")


def lowest(pyproject: str) -> list[str]:
    """The requirements of the package and its tests, each at its lower bound."""
    project = tomllib.loads(pyproject)["project"]
    pins = []
    for line in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        bounded = BOUNDED.match(line)
        if bounded is None:
            raise ValueError(
                f"Expected a lower bound, as in 'numpy>=2.0'. Found {line!r}. "
                "Give it the lowest version that `make test-lowest` passes with."
            )
        pins.append(f"{bounded[1]}=={bounded[2]}")
    return pins


if __name__ == "__main__":
    sys.stdout.write("\n".join(lowest(PYPROJECT.read_text(encoding="utf-8"))) + "\n")
