"""The lowest versions that are tested are those that pyproject.toml allows."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "lowest.py"
PYPROJECT = """
[project]
dependencies = ["{dependency}", "rich >= 14"]
[project.optional-dependencies]
test = ["surface-distance==0.1"]
dev = ["lossweights[test]", "ruff>=0.17"]
"""


def lowest(dependency):
    """What the script makes of a project with this dependency."""
    return runpy.run_path(str(SCRIPT))["lowest"](PYPROJECT.format(dependency=dependency))


def test_each_bound_becomes_a_pin():
    """What the package and its tests import is pinned at its bound; tools are left out."""
    assert lowest("keras>=3.15,<4") == ["keras==3.15", "rich==14", "surface-distance==0.1"]


@pytest.mark.parametrize("dependency", ["numpy", "numpy<3"])
def test_dependency_without_a_bound_is_refused(dependency):
    """A dependency that allows any version of the past is named, for nobody has tested it."""
    with pytest.raises(ValueError, match=f"Found '{dependency}'"):
        lowest(dependency)


def test_the_project_itself_has_all_bounds():
    """Every dependency of this project says from which version on it is good."""
    pyproject = SCRIPT.parents[1] / "pyproject.toml"
    pins = runpy.run_path(str(SCRIPT))["lowest"](pyproject.read_text(encoding="utf-8"))
    assert {pin.split("==")[0] for pin in pins} >= {"keras", "tensorflow", "pytest"}
