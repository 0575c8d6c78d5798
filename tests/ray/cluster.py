"""Nodes of a cluster on this machine, and launch scripts that are trained there."""

import socket
from pathlib import Path

from ..faults.helpers import Scripted

STORE_BYTES = 80 << 20  # of the object store of a node; Ray takes no less


class LocalCluster:
    """Several nodes on this machine: Ray's own means for testing."""

    def __init__(self, folder):
        from ray.cluster_utils import Cluster

        head = {
            "num_cpus": 1,
            "include_dashboard": False,
            "temp_dir": folder,
            "ray_client_server_port": free_port(),
            "object_store_memory": STORE_BYTES,
            # For Ray every disk is full: what the object store does not hold goes nowhere.
            "_system_config": {"local_fs_capacity_threshold": 0.0},
        }
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address = self._cluster.address
        self.client_address = f"ray://127.0.0.1:{head['ray_client_server_port']}"
        self.add()

    def add(self, **options):
        """Another node with a core."""
        return self._cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES, **options)

    def kill(self, node):
        """End a node as a power cut would: no process of it is told."""
        self._cluster.remove_node(node, allow_graceful=False)

    def close(self):
        """End all nodes."""
        self._cluster.shutdown()


class RayScript(Scripted):
    """A launch script in a folder that goes to the nodes; its gate and its root stay."""

    def __init__(self, folder, programs, body, address):
        super().__init__(folder, programs, body)
        self.address = address
        code = folder / "code"
        code.mkdir()
        text = self.path.read_text()
        self.path.unlink()
        self.path = code / "script.py"
        here = "HERE = Path(__file__).resolve().parent"
        assert here in text
        self.path.write_text(text.replace(here, f"HERE = Path({str(folder)!r})"))

    def start(self, *arguments, **options):
        """Start the script as a user does."""
        return super().start("--executor", "ray", "--address", self.address, *arguments, **options)

    def run(self, trials, **options):
        """Run the sweep in this process."""
        return super().run(trials, executor="ray", address=self.address, **options)


def free_port():
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def parent_of(pid):
    """The process id of a process's parent."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("PPid:"))
