"""Workers on the nodes of a cluster pass the contract of every executor."""

import pytest

from lossweights.cli._script import load_sweep
from lossweights.executors import RayExecutor, Slots
from lossweights.testing import IsolatedExecutorContract

pytestmark = pytest.mark.faults


class TestRay(IsolatedExecutorContract):
    """Two slots, one on each node."""

    @pytest.fixture(autouse=True)
    def _connected(self, connection):
        self.connection = connection

    def make_executor(self, script, folder):
        """Workers that load the script where it is."""
        try:
            fingerprint = load_sweep(script).prepare(rehearse=False).fingerprint
        except ValueError:
            fingerprint = ""
        location = {"script": str(script)}
        return RayExecutor(
            self.connection, Slots(2), location, "auto", fingerprint, folder / "logs"
        )
