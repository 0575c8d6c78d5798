"""A Ray cluster of two nodes on this machine, for those who ask for these tests by name.

`make test-ray` does. Elsewhere they are not collected: a cluster takes seconds to start.
"""

import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from lossweights.executors import RayCluster

from .cluster import LocalCluster, RayScript

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path, config):
    """Only where Ray is installed, and somebody asks for this folder or a file of it."""
    asked = [
        (config.invocation_params.dir / arg.partition("::")[0]).resolve() for arg in config.args
    ]
    wanted = any(path.is_relative_to(HERE) for path in asked)
    return None if wanted and find_spec("ray") is not None else True


@pytest.fixture(scope="session", autouse=True)
def _environment():
    """A token of our own, and nothing told to anybody."""
    said = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64, "RAY_USAGE_STATS_ENABLED": "0"}
    before = {name: os.environ.get(name) for name in (*said, "RAY_ADDRESS")}
    os.environ.pop("RAY_ADDRESS", None)
    os.environ.update(said)
    yield
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(scope="session")
def cluster(_environment):
    """Two nodes, each with a core."""
    folder = tempfile.mkdtemp(prefix="lwray-")  # short: sockets lie in it
    made = LocalCluster(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def connection(cluster):
    """A connection to it that copies nothing: scripts are where they are."""
    with RayCluster(cluster.address) as made:
        yield made


@pytest.fixture
def scripted(tmp_path, cluster, fake_programs):
    """Makes launch scripts that the cluster trains."""
    made = []

    def make(body):
        folder = tmp_path / f"scripted-{len(made)}"
        made.append(RayScript(folder, fake_programs, body, cluster.address))
        return made[-1]

    yield make
    for script in made:
        script.close()
