"""Where to look at a sweep: its report, and MLflow's UI at the pages that show it."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path

from lossweights.base.commands import DEFAULT_ROOT, from_here, program
from lossweights.results.folder import read_manifest, sweep_folder, tracking_uri
from lossweights.results.status import noted_tracking
from lossweights.tracking import Page, find_page

PORT = 5000  # of the UI, as MLflow has it
_REMEMBERED = ".ui-port"


def find_links(root: Path, name: str) -> dict[str, str]:
    """Where to look at a sweep, what first: commands and addresses by what they show.

    The addresses on this machine answer while `lossweights ui` runs; they have its port.

    Args:
        root: Folder of the sweeps.
        name: Name of the sweep.
    """
    links = {}
    report = sweep_folder(root, name) / "report.html"
    if report.exists():
        links["report"] = str(report)
    recorded = _recorded_at(root, name)
    if recorded is None:
        links["MLflow UI"] = ui_command(root)
        server, page = f"http://127.0.0.1:{ui_port(root)}", find_page(root, name)
    elif recorded.startswith("http"):
        links["MLflow UI"] = server = recorded
        page = _noted_page(sweep_folder(root, name))
    else:  # a database of somebody's own
        links["MLflow UI"] = (
            f"{program('mlflow')} ui --backend-store-uri {shlex.quote(recorded)} --host 127.0.0.1"
        )
        server, page = f"http://127.0.0.1:{PORT}", _noted_page(sweep_folder(root, name))
    if page is not None:
        links["sweep"], links["trials"] = page.links(server)
    return links


def ui_command(root: Path) -> str:
    """The exact command that opens MLflow's UI on the results below a root.

    >>> ui_command(Path("mlruns")).endswith("lossweights ui")
    True
    """
    words = ["ui"]
    if root.resolve() != DEFAULT_ROOT.resolve():
        words += ["--root", str(from_here(root))]
    return f"{program('lossweights')} {shlex.join(words)}"


def ui_port(root: Path) -> int:
    """The port that the UI of a root had last, for the next time and for links; 5000 at first."""
    with suppress(OSError, ValueError):
        port = int((root / _REMEMBERED).read_text(encoding="ascii"))
        if 0 < port < 1 << 16:
            return port
    return PORT


def remember_port(root: Path, port: int) -> None:
    """Have links to the UI of a root name this port, if it can be written down."""
    if port != ui_port(root):
        with suppress(OSError):
            (root / _REMEMBERED).write_text(f"{port}\n", encoding="ascii")


def _recorded_at(root: Path, name: str) -> str | None:
    """The address that a sweep is recorded at, or ``None`` for the database below its root."""
    if not (sweep_folder(root, name) / "manifest.json").exists():
        return None
    uri = read_manifest(root, name).get("tracking")
    return None if uri is None or uri == tracking_uri(root) else str(uri)


def _noted_page(folder: Path) -> Page | None:
    """The page as the tracker noted it: asking a server might take long, and it may be down."""
    noted = noted_tracking(folder)
    experiment, run = noted.get("experiment"), noted.get("run")
    if isinstance(experiment, str) and isinstance(run, str):
        return Page(experiment, run)
    return None
