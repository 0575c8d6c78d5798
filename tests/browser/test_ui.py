"""MLflow's UI, and the report of a sweep that ran, as a person sees them in a browser."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from mlflow import MlflowClient

from lossweights.results.folder import tracking_uri

from .chrome import CHROMIUM, DRIVER, Chrome, die_with_parent

TINY = Path(__file__).parent.parent / "sweeps" / "tiny.py"
COMMAND = (sys.executable, "-m", "lossweights.cli")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None, reason="Chromium and chromedriver are not installed"
    ),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root with a finished sweep of three trials."""
    root = tmp_path_factory.mktemp("ui") / "mlruns"
    subprocess.run(
        [*COMMAND, "run", str(TINY), "--trials", "3", "--root", str(root), "--quiet"], check=True
    )
    return root


def hear_ctrl_c_and_die_with_parent():
    """For a new process: it does not ignore SIGINT even if the tests were started ignoring it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent()


@pytest.fixture(scope="module")
def ui(root, tmp_path_factory):
    """The address of ``lossweights ui`` on that root."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*COMMAND, "ui", "--root", str(root), "--port", str(port)],
        cwd=tmp_path_factory.mktemp("cwd"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a group of its own, ended as a whole like by Ctrl-C
        preexec_fn=hear_ctrl_c_and_die_with_parent,
    )
    try:
        while not answers(f"http://127.0.0.1:{port}/health"):
            with pytest.raises(subprocess.TimeoutExpired):  # it must not end by itself
                process.wait(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    """A browser for all pages."""
    with Chrome(tmp_path_factory.mktemp("profile")) as chrome:
        yield chrome


def answers(request):
    """The status that a server answers an address or a request with, or 0 if there is none yet."""
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def listening(port):
    """The addresses that this machine listens on at a port, in the kernel's own spelling."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                found.append(address)
    return found


def test_ui_listens_on_this_machine_alone(ui):
    """127.0.0.1 and nothing else; a page of another site can neither read nor write."""
    assert listening(int(ui.rpartition(":")[2])) == ["0100007F"]
    assert answers(ui) == 200
    assert answers(urllib.request.Request(ui, headers={"Host": "evil.example"})) == 403
    create = urllib.request.Request(
        f"{ui}/api/2.0/mlflow/experiments/create",
        json.dumps({"name": "evil"}).encode(),
        {"Content-Type": "application/json", "Origin": "http://evil.example"},
    )
    assert answers(create) == 403


@pytest.fixture(scope="module")
def printed(ui, root):
    """The links that ``lossweights report`` prints, by what they show: whole, each on one line."""
    told = subprocess.run(
        [*COMMAND, "report", "tiny", "--root", str(root)],
        check=True, capture_output=True, text=True, env={**os.environ, "COLUMNS": "40"},
    ).stdout  # fmt: skip
    words = [line.split() for line in told.splitlines()]
    links = {line[0]: line[1] for line in words if len(line) == 2 and line[1].startswith("http")}
    assert set(links) == {"sweep", "trials"}
    assert all(link.startswith(f"{ui}/#/experiments/") for link in links.values())
    return links


def experiment_id(root):
    """The number of the sweep's experiment."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    return client.get_experiment_by_name("tiny").experiment_id


def names_of_trials(root):
    """The names of the trials' runs, which say their weights."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    found = client.search_runs([experiment_id(root)], "tags.`lossweights.trial` != ''")
    return sorted(run.info.run_name for run in found)


def test_the_printed_link_shows_parent_and_children(printed, root, chrome):
    """In the mode for training: a person sees the sweep, and its trials by their weights."""
    names = names_of_trials(root)
    assert [name.split()[:2] for name in names] == [[f"{n:03d}", "under"] for n in range(3)]
    chrome.open(printed["trials"])
    # The parent's row may be folded; its button unfolds it.
    chrome.wait_for(
        f"const names = {json.dumps(['tiny', *names])};"
        """
        const text = document.body.innerText;
        const fold = document.querySelector(".ag-row button");
        if (!text.includes("002 under") && fold && !(performance.now() < window.clicked + 5000)) {
            window.clicked = performance.now();
            fold.click();
        }
        return names.every(name => text.includes(name));
        """
    )


def test_the_printed_link_of_the_sweep_says_what_it_is(printed, root, chrome):
    """Its verdict as description, the script it is of, data with digest, the registered winner."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    (parent,) = client.search_runs([experiment_id(root)], "tags.`lossweights.kind` = 'sweep'")
    chrome.open(printed["sweep"])
    (data,) = parent.inputs.dataset_inputs
    wanted = [
        parent.data.tags["mlflow.note.content"].split(";")[0],
        TINY.name,
        data.dataset.digest,
        "Registered models",
    ]
    chrome.wait_for(
        f"return {json.dumps(wanted)}.every(text => document.body.innerText.includes(text))"
    )


def test_the_pages_artifacts_are_the_report_and_pictures_that_draw(printed, chrome):
    """The report is there, and the front is seen without a download."""
    page, mode = printed["sweep"].split("?")
    chrome.open(f"{page}/artifacts/figures/front.png?{mode}")
    chrome.wait_for(
        """
        const drawn = [...document.images].some(i => i.naturalWidth > 900 && i.complete);
        return drawn && document.body.innerText.includes("report.html");
        """
    )


def test_the_first_charts_of_a_trial_are_those_of_the_objectives(ui, root, chrome):
    """Then come magnitudes; no chart is in no group, where MLflow would put it last."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    (child,) = client.search_runs([experiment_id(root)], "tags.`lossweights.trial` = '1'")
    chrome.open(f"{ui}/#/experiments/{experiment_id(root)}/runs/{child.info.run_id}/model-metrics")
    chrome.wait_for(
        """
        const text = document.body.innerText.split(/\\s+/).join(" ");
        const at = ["1 objectives (2)", "2 magnitude train (2)"].map(n => text.indexOf(n));
        const drawn = document.querySelector(".main-svg") !== null;
        return drawn && at[0] >= 0 && at[0] < at[1] && !/Model metrics [(][1-9]/.test(text);
        """
    )


def test_the_report_of_a_sweep_that_ran_draws(root, chrome):
    """What a sweep leaves is the page that `test_report` looks at, of its own trials."""
    report = root / "studies" / "tiny" / "report.html"
    chrome.open(report.resolve().as_uri())
    chrome.wait_for("return document.querySelector('[data-figure=front] .main-svg') ? 1 : 0")
    assert chrome.run("return document.title") == "tiny: loss weights"
    assert chrome.run("return document.querySelectorAll('#trials tr[data-trial]').length") == 3
    assert chrome.run("return document.querySelector('.sentence').innerText")
