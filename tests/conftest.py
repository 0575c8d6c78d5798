"""What every test may rely on: a quiet environment, a root of its own, and nothing left running."""

import os

# Read when the libraries are imported, so set before any test module is.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.pop("MLFLOW_TRACKING_URI", None)  # of whoever runs the tests: sweeps would go there

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from .prefork import Prefork

# Deadlines measure the machine, not the code; the same examples every time make a failure one
# that the next person sees as well.
hypothesis.settings.register_profile("lossweights", deadline=None, derandomize=True)
hypothesis.settings.load_profile("lossweights")


# Warnings are errors, but not those that libraries give each other.
OF_OTHERS = (
    "ignore:The ``noload`` loader strategy:DeprecationWarning",  # MLflow 3.17 on SQLAlchemy 2.1
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the rule by which `make check` chooses its tests."""
    parser.addoption(
        "--without-keras",
        action="store_true",
        help="skip each test at the moment it loads Keras or TensorFlow",
    )


class _KerasSkips(MetaPathFinder):
    """Skips whatever test module or test loads Keras or TensorFlow.

    `make check` is for every save: a test belongs to it if it neither builds nor trains a model.
    Asking the imports themselves needs no list of such tests that somebody has to keep.
    """

    def find_spec(self, name, path=None, target=None):
        if name in ("keras", "tensorflow"):
            pytest.skip("loads Keras: `make test` runs it", allow_module_level=True)


def pytest_configure(config: pytest.Config) -> None:
    """Add the exceptions to the warnings that are errors, each with its reason."""
    if config.getoption("--without-keras"):
        finder = _KerasSkips()
        sys.meta_path.insert(0, finder)
        config.add_cleanup(lambda: sys.meta_path.remove(finder))
    for line in OF_OTHERS:
        config.addinivalue_line("filterwarnings", line)
    # What sweeps measure of this machine is no business of the user's own ones.
    cache = tempfile.mkdtemp(prefix="lossweights-cache-")
    config.add_cleanup(lambda: shutil.rmtree(cache, ignore_errors=True))
    os.environ["XDG_CACHE_HOME"] = cache


NEAR_TO_OTHERS = Path(__file__).parent / "slow.txt"


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark as slow what `slow.txt` names, and refuse names that fit nothing any more.

    What trains comes first: whichever of the processes gets a long file, the others have
    something left to do, and at the end files are short.
    """
    here = NEAR_TO_OTHERS.parent.parent
    items.sort(key=lambda item: _turn(item.path.relative_to(here / "tests").parts))
    ids = {f"{item.path.relative_to(here)}::{item.name}": item for item in items}
    whole = {name.partition("::")[0] for name in ids} if not _chosen_by_name(config) else set()
    for line in NEAR_TO_OTHERS.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        found = [item for name, item in ids.items() if name.startswith(line)]
        if not found and line.partition("::")[0] in whole:
            raise pytest.UsageError(
                f"{NEAR_TO_OTHERS.name} names {line}, and there is no such test"
            )
        for item in found:
            item.add_marker(pytest.mark.slow)


# Folders by how long their files take; those that are not here come last.
LONGEST_FIRST = (
    "contract", "sweeps", "faults", "science", "browser",
    "unit/watch", "unit/training", "unit/sweep", "unit/driver", "unit/terms", "unit/loss",
)  # fmt: skip


def _turn(parts: tuple[str, ...]) -> int:
    """When a file of tests has its turn, by the parts of its path below `tests`."""
    folders = ["/".join(parts[:depth]) for depth in (1, 2)]
    found = [place for place, folder in enumerate(LONGEST_FIRST) if folder in folders]
    return found[0] if found else len(LONGEST_FIRST)


def _chosen_by_name(config: pytest.Config) -> bool:
    """Whether single tests of a file were asked for, so that others are not there to be found."""
    return any("::" in str(arg) for arg in config.args)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder for sweeps that does not exist yet, as ``mlruns`` in a fresh clone."""
    return tmp_path / "mlruns"


@pytest.fixture(scope="session")
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables, made once: making them takes seconds."""
    from mlflow import MlflowClient

    from lossweights.results.folder import tracking_uri

    root = tmp_path_factory.mktemp("tables")
    MlflowClient(tracking_uri=tracking_uri(root)).search_experiments()
    return root / "mlflow.db"


# What a sweep of sums imports, from its script to its end.
IN_FAKE_SWEEPS = (
    "lossweights.cli", "lossweights.sweep._run", "lossweights.testing", "lossweights.report.page",
    "lossweights.report.summary", "scipy.stats", "sklearn.gaussian_process",
)  # fmt: skip


@pytest.fixture(scope="session")
def fake_programs() -> Iterator[Prefork]:
    """Starts programs that need no Keras, in a quarter of the time that a Python takes."""
    programs = Prefork(*IN_FAKE_SWEEPS)
    yield programs
    programs.close()


@pytest.fixture(scope="session")
def keras_programs() -> Iterator[Prefork]:
    """Starts programs that train Keras models, without importing TensorFlow each time."""
    from lossweights.sweep.sweep import Sweep

    programs = Prefork(*IN_FAKE_SWEEPS, *Sweep.worker_imports)
    yield programs
    programs.close()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same random numbers in every test, whichever ran before it."""
    keras = sys.modules.get("keras")  # a test that needs no Keras does not pay for it
    if keras is not None and hasattr(keras, "utils"):
        keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _schemas_read_once() -> None:
    """Optuna and MLflow read the scripts of all their schemas whenever a database is opened, which
    takes longer than to make its tables. Here they are read once.
    """
    scripts = sys.modules.get("alembic.script")
    if scripts is None or hasattr(scripts.ScriptDirectory, "read_once"):
        return
    read = scripts.ScriptDirectory.from_config
    found: dict[str | None, Any] = {}

    def from_config(config: Any) -> Any:
        where = config.get_main_option("script_location")
        if where not in found:
            found[where] = read(config)
        return found[where]

    scripts.ScriptDirectory.from_config = staticmethod(from_config)
    scripts.ScriptDirectory.read_once = True


@pytest.fixture
def without_xla(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stacks are made without XLA, which compiles longer than tests train.

    For tests that ask what is trained, and when. Those of the numbers themselves have XLA.
    """
    from lossweights.training import _stacked as stacked

    forms = stacked.forms
    monkeypatch.setattr(
        stacked, "forms", lambda *given: [form for form in forms(*given) if not form.compiles]
    )


@pytest.fixture
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps end with an empty page: its pictures take as long as two tiny trainings."""

    def write(result: object, path: Path, **_: object) -> Path:
        path.write_text("<html></html>", encoding="utf-8")
        return path

    monkeypatch.setattr("lossweights.sweep._conclude.write_report", write)


@pytest.fixture
def signals_heard() -> Iterator[None]:
    """SIGINT and SIGHUP reach this process and all that it starts, whatever started the tests.

    Under nohup, and in the background of a shell script, they are ignored; children inherit that.
    """
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.getsignal(number) for number in usual}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:
            signal.signal(number, usual[number])
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def _no_child_left():
    """Every process that a test starts has ended when the tests have."""
    yield
    left = {pid: command for pid, command in _children() if "resource_tracker" not in command}
    assert not left, f"child processes left behind: {left}"


def _children() -> list[tuple[int, str]]:
    """The processes that this one has started and not yet waited for, where /proc tells."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = (status.parent / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:  # it ended meanwhile
            continue
        if parent == os.getpid():
            found.append((int(status.parent.name), command.decode(errors="replace")))
    return found
