"""What Ray raises where it does not connect, in its own words, and what a person is told of it."""

import pytest

from lossweights.base.errors import WorkerError
from lossweights.executors._ray_refusal import reach, refused

SIZE = (
    "Package size (612.00MiB) exceeds the maximum size of 500.00MiB. To exclude large files, add "
    "them to '.gitignore' or '.rayignore' files, or use the 'excludes' option in the runtime_env, "
    "or provide a URI of a remote zip file. For more information, refer to https://docs.ray.io/."
)
CONFLICT = (
    "Failed to merge the Job's runtime env {'working_dir': 'gcs://_ray_pkg_1.zip'} with a "
    "ray.init's runtime env {'working_dir': '/home/ada'} because of a conflict. Specifying the "
    "same runtime_env fields or the same environment variable keys is not allowed."
)
NO_NODE = "No node info found matching attributes: '' when trying to resolve node to connect to."
NOBODY = (
    "Could not find any running Ray instance. Please specify the one to connect to by setting "
    "`--address` flag or `RAY_ADDRESS` environment variable."
)
STORE = "Failed to store package in the GCS.\n  - GCS URI: gcs://_ray_pkg_1.zip\n"


def raised(error, *causes):
    """An error that was raised from others."""
    error.__cause__ = raised(*causes) if causes else None
    return error


def told(error, folder=None):
    """What is said of it, and in short."""
    refusal = refused("head:6379", error, folder)
    return str(refusal), refusal.reason


def test_nobody_there_is_said_of_nobody_alone():
    """Only that one is told to start a cluster."""
    whole, short = told(ConnectionError(NOBODY))
    assert "`ray start --head`" in whole
    assert short == "there is no Ray cluster at 'head:6379'"
    for other in (RuntimeError("out of files"), ValueError(CONFLICT), raised(ConnectionError("x"))):
        whole, short = told(other)
        assert "ray start --head" not in whole
        assert "there is no Ray cluster" not in short


def test_auto_without_a_cluster_is_said_of_this_machine():
    """There is no address that anybody has named."""
    refusal = refused("auto", ConnectionError(NOBODY))
    assert str(refusal).startswith("Expected a Ray cluster on this machine. Found: Could not find")
    assert refusal.reason == "there is no Ray cluster on this machine"


def test_a_folder_that_is_too_large_is_named_with_what_is_large_in_it(tmp_path):
    """What stays here anyway is not named."""
    for name, held in (("movies/one/two", 4), ("table.csv", 3), (".git/pack", 9), ("b.py", 1)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(held << 10))
    uploading = RuntimeError(f"Failed to upload working_dir {tmp_path} to the Ray cluster: {SIZE}")
    whole, _ = told(raised(uploading, ValueError(SIZE)), tmp_path)
    assert f"{tmp_path} is too large: Package size (612.00MiB) exceeds" in whole
    assert "Most of it is movies (4.0 KiB), table.csv (3.0 KiB), b.py (1.0 KiB)." in whole
    assert ".gitignore" in whole


def test_a_job_with_a_folder_of_its_own_is_told_how_to_submit():
    """Ray takes one of the two."""
    whole, _ = told(ValueError(CONFLICT))
    assert "Submit without --working-dir" in whole
    assert "RAY_OVERRIDE_JOB_RUNTIME_ENV=1" in whole


def test_a_machine_that_is_no_node_is_told_the_two_ways_in():
    """From outside there is the client's port alone."""
    error = raised(
        ConnectionError("Failed to connect to Ray cluster at head:6379"), RuntimeError(NO_NODE)
    )
    whole, _ = told(error)
    assert "Expected this machine to be a node of the Ray cluster at 'head:6379'" in whole
    assert "ray://HOST:10001" in whole
    assert "ray start --address" in whole


def test_several_clusters_want_an_address():
    """Ray names them."""
    whole, _ = told(ConnectionError("Found multiple active Ray instances: {'a:1', 'b:1'}. Please"))
    assert "{'a:1', 'b:1'}" in whole
    assert "Name one with --address" in whole


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("Failed to set up runtime environment.\nNo space left."), "No space left."),
        (
            raised(RuntimeError("outer"), RuntimeError(STORE), OSError("broken pipe")),
            "broken pipe.",
        ),
        (
            ConnectionError(
                "Initialization failure from server:\nTraceback (most recent call last):\n"
                "  File \"server.py\", line 1, in start\nKeyError: 'port'\n"
            ),
            "KeyError: 'port'.",
        ),
        (RuntimeError(), "RuntimeError."),
    ],
)
def test_what_is_not_known_is_quoted(error, line):
    """Ray's first line that says something, not what it has put around that."""
    whole, short = told(error)
    assert f"Ray says: {line} " in whole
    assert line in short


def test_a_client_that_is_not_let_in_is_told_what_it_may_be():
    """Ray itself says that time is up."""
    refusal = refused("ray://head:10001", ConnectionError("ray client connection timeout"))
    for remedy in ("ray get-auth-token", "RAY_AUTH_MODE=disabled", "10001 if nobody says"):
        assert remedy in str(refusal)


def test_what_is_no_address_is_said():
    """Before anybody is asked."""
    with pytest.raises(WorkerError, match=r"Expected the address of a Ray cluster.*'head:port'"):
        reach("head:port")
