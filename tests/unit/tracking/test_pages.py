"""Where MLflow's UI shows a sweep, found without MLflow."""

from mlflow import MlflowClient

from lossweights.report.links import find_links
from lossweights.results.folder import tracking_uri
from lossweights.results.status import StatusBoard
from lossweights.tracking import Page, find_page

from ..samples import save_sweep


def made(client, experiment, sweep, kind, start):
    """The id of a run as the tracker makes it."""
    tags = {"lossweights.sweep": sweep, "lossweights.kind": kind}
    return client.create_run(experiment, start_time=start, tags=tags).info.run_id


def test_the_page_is_that_of_the_latest_parent_run(root_with_tables):
    """Neither a trial's, nor that of another sweep, nor one that was deleted."""
    root = root_with_tables
    client = MlflowClient(tracking_uri=tracking_uri(root))
    experiment = client.create_experiment("demand", root.as_uri())
    made(client, experiment, "demand", "sweep", 1)
    wanted = made(client, experiment, "demand", "sweep", 2)
    made(client, experiment, "demand", "trial", 3)
    made(client, experiment, "other", "sweep", 4)
    client.delete_run(made(client, experiment, "demand", "sweep", 5))
    assert find_page(root, "demand") == Page(experiment, wanted)
    assert find_page(root, "nope") is None
    save_sweep(root, [])
    links = find_links(root, "demand")
    page = f"http://127.0.0.1:5000/#/experiments/{experiment}/runs"
    assert links["sweep"] == f"{page}/{wanted}?workflowType=machine_learning"
    assert links["trials"] == f"{page}?workflowType=machine_learning"


def test_a_server_has_the_page_that_the_tracker_noted(root):
    """It is not asked: it may be down. Where nothing was noted, its address alone is named."""
    folder = save_sweep(root, [], tracking="https://host/mlflow/")
    assert set(find_links(root, "demand")) == {"MLflow UI"}
    StatusBoard(folder, 1).write([], {"experiment": "7", "run": "ab"}, last=True)
    links = find_links(root, "demand")
    assert links["MLflow UI"] == "https://host/mlflow/"
    page = "https://host/mlflow/#/experiments/7/runs"
    assert links["sweep"] == f"{page}/ab?workflowType=machine_learning"


def test_without_a_database_there_is_no_page(root):
    """Nothing is made by looking, and what is no database is none."""
    assert find_page(root, "demand") is None
    root.mkdir()
    (root / "mlflow.db").write_text("no database")
    assert find_page(root, "demand") is None
    assert [path.name for path in root.iterdir()] == ["mlflow.db"]
