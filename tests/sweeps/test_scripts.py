"""Launch scripts and the command line, as a person runs them: each in a process of its own."""

import __future__

import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from mlflow import MlflowClient

import lossweights as lw
from lossweights.base._sieve import NOTES
from lossweights.cli import app
from lossweights.results.folder import tracking_uri
from lossweights.results.result import SweepResult
from lossweights.tracking import sync_sweep

ROOT = Path(lw.__file__).parent.parent
SWEEPS = ROOT / "sweeps"
SCRIPTS = sorted(SWEEPS.glob("*.py"))
TINY = Path(__file__).with_name("tiny.py")
AFTER = "\nlw.Sweep\nimport keras\n"  # Keras is imported when a name of ours has been used
FAKE = "from lossweights.testing import FakeSweep\nsweep = FakeSweep('tiny')\n"  # without Keras
COMMAND = ("-m", "lossweights.cli")


@pytest.fixture(scope="session")
def call(keras_programs):
    """Runs a script to its end; its standard output and standard error."""

    def run(*words, cwd=None, code=0):
        done = keras_programs.run(words, cwd=cwd)
        assert done.returncode == code, done.stderr
        return done.stdout, done.stderr

    return run


@pytest.fixture(scope="session")
def lossweights(call):
    """Runs the ``lossweights`` command."""
    return lambda *words, **options: call(*COMMAND, *words, **options)


@pytest.fixture
def said(capsys, monkeypatch):
    """Asks the command in this process: what it says of a sweep takes less than a start of Python.

    That it is installed and starts is what the others test, and `tests/unit/cli`.
    """

    def ask(*words, cwd=None, code=0):
        if cwd is not None:
            monkeypatch.chdir(cwd)
        with pytest.raises(SystemExit) as end:
            app(list(map(str, words)), prog_name="lossweights")
        out, err = capsys.readouterr()
        assert end.value.code == code, err
        return out, err

    return ask


def needs_data(script):
    """Skip a script whose data are not installed; that is the only reason to skip one."""
    for package in packages(script):
        if find_spec(package) is None:
            pytest.skip(f"the package {package}, whose data the script reads, is not installed")


def packages(script):
    """The packages whose data a script reads, with their pinned versions."""
    text = script.read_text(encoding="utf-8")
    named = re.findall(r'find_spec\("(\w+)"\)', text)
    pinned = dict(re.findall(r"pip install --no-deps (\w+)==([\d.]+)", text))
    assert sorted(named) == sorted(pinned)  # a script says how what it reads is installed
    return pinned


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_launch_script_is_short_and_its_data_are_pinned_and_licensed(script):
    """Fewer than 100 lines; what it reads, `make venv` installs and the README names."""
    assert len(script.read_text(encoding="utf-8").splitlines()) < 100
    makefile, readme = ((ROOT / name).read_text("utf-8") for name in ("Makefile", "README.md"))
    for package, version in packages(script).items():
        assert f"{package}=={version}" in makefile
        assert f"\n| `{script.name}` | {package} " in readme


@pytest.mark.parametrize(
    "script", [each for each in SCRIPTS if packages(each)], ids=lambda path: path.stem
)
def test_a_script_without_its_data_says_how_to_get_them(script):
    """With the command, before anything else is loaded."""
    without_sweep, _, _ = script.read_text(encoding="utf-8").partition("\nsweep = ")
    names = {"__name__": script.stem}
    unread = __future__.annotations.compiler_flag  # lw.Data in an annotation would load Keras
    exec(compile(without_sweep, script, "exec", unread), names)
    names["find_spec"] = lambda package: None
    with pytest.raises(FileNotFoundError, match=r"not found: pip install --no-deps \w+==[\d.]+$"):
        names["load_data"]()


def often(script):
    """A script as a case; `make test` runs the quickest, `make test-slow` all others."""
    marks = [] if script.stem == "trading_days" else [pytest.mark.slow]
    return pytest.param(script, marks=marks, id=script.stem)


@pytest.mark.parametrize("script", [often(each) for each in SCRIPTS])
def test_every_launch_script_runs_in_seconds_with_smoke(script, tmp_path, call):
    """Two trials of the real problem to their end, of which no file is left."""
    needs_data(script)
    out, err = call(script, "--smoke", cwd=tmp_path)
    assert "2/2" in err
    assert " runs: 2 of 2 trials are complete. " in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_launch_script_leaves_its_picks(tmp_path, call):
    """A script of sweeps/ sweeps two trials of its real problem and leaves its picks."""
    script = SWEEPS / "bike_demand.py"
    needs_data(script)
    out, err = call(
        script, "--trials", 2, "--root", tmp_path / "r", "--no-tracking", cwd=tmp_path
    )  # fmt: skip
    assert "2/2" in err
    assert "Verdict:" in out
    (name,) = [path.stem for path in (tmp_path / "r" / "weights").glob("*.json")]
    result = SweepResult.read(name, tmp_path / "r")
    assert result.trials["outcome"].tolist() == ["COMPLETE"] * 2
    assert lw.load(name, tmp_path / "r") == result.best("knee")
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory, lossweights):
    """What ``lossweights run`` leaves and prints for the tiny script."""
    root = tmp_path_factory.mktemp("swept") / "mlruns"
    out, err = lossweights("run", TINY, "--trials", 2, "--confirm", 0, "--root", root)
    return root, out, err


def test_run_prints_progress_and_end(swept):
    """Progress goes to standard error, the end of the sweep to standard output."""
    root, out, err = swept
    assert "2/2" in err
    assert "Traceback" not in err
    knee = str(root / "weights" / "tiny" / "knee.json")
    opens = f"lossweights ui --root {root}"
    for part in ("tiny: 2 trials (2 complete)", "Verdict:", "Pareto front", "Weight sets:"):
        assert part in out
    assert knee in out
    assert opens in out
    page = r"http://127.0.0.1:5000/#/experiments/1/runs/[0-9a-f]{32}\?workflowType=machine_learning"
    assert re.search(page, out)


def test_list_shows_every_sweep(swept, said, tmp_path):
    """Sweeps below a root with trials, objectives and verdict; nothing below an empty one."""
    root, _, _ = swept
    out, _ = said("list", "--root", root)
    assert "tiny" in out
    assert "minimize" in out
    out, _ = said("list", "--root", tmp_path / "nowhere")
    assert "No sweep in" in out


@pytest.mark.parametrize("command", ["list", "status"])
def test_a_damaged_sweep_hides_no_other(swept, said, tmp_path, command):
    """It is named with its file, the others are shown, and the exit code says that it is there."""
    root = tmp_path / "mlruns"
    for name in ("a-damaged", "tiny"):
        shutil.copytree(swept[0] / "studies" / "tiny", root / "studies" / name)
    (root / "studies" / "a-damaged" / "manifest.json").write_text("{")
    out, err = said(command, "--root", root, code=74)
    assert "tiny" in out
    assert "a-damaged/manifest.json" in err


def test_best_prints_a_weight_set(swept, said):
    """What is printed is a weight set file, for a pick with a condition."""
    root, _, _ = swept
    result, pick = SweepResult.read("tiny", root), "min:rmse where shortfall<=100"
    out, _ = said("best", "tiny", "--pick", pick, "--root", root, "--json")
    assert lw.WeightSet.parse(out.encode()) == result.best(pick)


def test_export_writes_a_weight_set(swept, said, tmp_path):
    """The file is read back as the pick."""
    root, _, _ = swept
    target = tmp_path / "sub" / "weights.json"
    out, _ = said("export", "tiny", "--to", target, "--root", root)
    assert str(target) in out
    assert lw.load(target) == SweepResult.read("tiny", root).best("knee")


def test_report_is_written(swept, tmp_path, lossweights):
    """The report is one HTML file where it was asked for, and the summary is printed."""
    root, _, _ = swept
    out, _ = lossweights("report", "tiny", "--to", tmp_path / "r.html", "--root", root)
    assert "Verdict:" in out
    assert str(tmp_path / "r.html") in out
    assert "</html>" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_sync_writes_what_mlflow_lacks(swept, tmp_path, lossweights):
    """From the result files alone the whole record is made again, and only once."""
    root = tmp_path / "mlruns"
    shutil.copytree(swept[0], root)
    (root / "mlflow.db").unlink()
    out, _ = lossweights("sync", "tiny", "--root", root)
    assert "2 trials of tiny" in out
    for _ in range(2):
        client = MlflowClient(tracking_uri=tracking_uri(root))
        experiment = client.get_experiment_by_name("tiny")
        assert len(client.search_runs([experiment.experiment_id])) == 3
        sync_sweep(root, "tiny")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["best", "nope"], "SweepNotFound"),
        (["best", "../x"], "InvalidName"),
        (["best", "tiny", "--pick", "best"], "PickError"),
        (["best", "tiny", "--pick", "min:rmse where rmse<0"], "PickError"),
        (["export", "tiny", "--to", "/dev/null/x.json"], "StoreError"),
        (["report", "nope"], "SweepNotFound"),
        (["sync", "nope"], "SweepNotFound"),
        (["resume", "nope"], "SweepNotFound"),
        (["run", "missing.py"], "SweepNotFound"),
        (["run", "fake.py"], "SweepExists"),
        (["run", "fake.py", "--trials", "0", "--name", "new"], "RecipeError"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_mistake_is_one_sentence_and_an_exit_code(swept, said, tmp_path, words, says):
    """Whatever is wrong, the command says it in a sentence, and changes nothing.

    2 is for bad input; 74, as in BSD's sysexits, for a disk that cannot be read or written.
    """
    root, _, _ = swept
    (tmp_path / "fake.py").write_text(FAKE)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    code = 74 if says == "StoreError" else 2
    out, err = said(*words, "--root", root, cwd=tmp_path, code=code)
    assert f"lossweights: {says}: " in err
    assert "Traceback" not in err
    assert out == ""
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_resume_finds_the_script_from_anywhere(swept, tmp_path, call, lossweights):
    """A sweep started by its own script is resumed by its name, from another folder."""
    root = tmp_path / "mlruns"
    call(TINY.name, "--trials", 1, "--root", root, "--quiet", cwd=TINY.parent)
    (tmp_path / "elsewhere").mkdir()
    out, _ = lossweights(
        "resume", "tiny", "--trials", 2, "--root", root, cwd=tmp_path / "elsewhere"
    )
    assert "tiny: 2 trials (2 complete)" in out
    trials = [SweepResult.read("tiny", where).trials for where in (root, swept[0])]
    assert trials[0]["rmse"].tolist() == trials[1]["rmse"].tolist()


@pytest.mark.faults
@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize(
    ("stop", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)], ids=["Ctrl-C", "kill -9"]
)
def test_stopped_sweep_goes_on(root, stop, code, keras_programs, lossweights):
    """Stopped in the middle by a person or by force, a sweep is resumed to its end."""
    process = keras_programs.popen(
        # One after another, so that there is a middle to stop in.
        [*COMMAND, "run", TINY, "--trials", "500", "--root", root, "--no-tracking", "--trainer",
         "fit"]
    )  # fmt: skip
    try:
        said = ""
        while not re.search(r"trial [1-9]\d*/500", said):
            line = process.stderr.readline()
            assert line, f"ended before its first trial: {said}"
            said += line
        process.send_signal(stop)
        said += process.communicate(timeout=120)[1]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == code
    if stop is signal.SIGINT:
        assert "lossweights resume tiny" in said
        assert "Traceback" not in said
    before = SweepResult.read("tiny", root).finished
    assert 0 < len(before) < 500
    wanted = len(before) + 2
    lossweights("resume", "tiny", "--trials", wanted, "--root", root, "--no-tracking", "--quiet",
                "--trainer", "fit")  # fmt: skip
    after = SweepResult.read("tiny", root)
    assert after.trials["outcome"].tolist().count("COMPLETE") == wanted
    for number, finished in before.items():
        assert after.finished[number].result.to_json() == finished.result.to_json()


def test_mistake_in_the_users_model_is_shown_with_its_traceback(tmp_path, call):
    """What goes wrong in a person's own code is theirs to see whole."""
    script = tmp_path / "broken.py"
    code = TINY.read_text(encoding="utf-8").replace(
        "    return keras.Sequential(", "    oops_here\n    return keras.Sequential("
    )
    script.write_text(code, encoding="utf-8")
    _, err = call(script, "--root", tmp_path / "r", code=1)
    assert "oops_here" in err
    assert "Traceback" in err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("way", "workers"),
    [
        ("lossweights run", 2),
        ("script", 0),
        pytest.param("lossweights run", 0, marks=pytest.mark.slow),
        pytest.param("script", 2, marks=pytest.mark.slow),
    ],
)
def test_no_start_up_notes_of_tensorflow(tmp_path, way, workers):
    """They stand neither in what a sweep prints nor in the logs of its workers.

    ``lossweights run`` keeps them back whatever the script imports; a script of its own imports
    Keras after lossweights.
    """
    script = tmp_path / "quiet.py"
    code = TINY.read_text(encoding="utf-8")
    if way == "script":
        code = code.replace("import keras\n", "", 1)
        code = code.replace("import lossweights as lw\n", "import lossweights as lw\n" + AFTER, 1)
    script.write_text(code, encoding="utf-8")
    command = [sys.executable, *(COMMAND if way == "lossweights run" else ())]
    command += ["run"] if way == "lossweights run" else []
    done = subprocess.run(
        [*command, script, "--trials", "2", "--workers", str(workers), "--no-tracking",
         "--confirm", "0", "--root", tmp_path / "r"],
        capture_output=True, text=True, timeout=280,
        env={k: v for k, v in os.environ.items() if not k.startswith("TF_")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "trial 2/2" in done.stderr
    logs = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("worker-*.log")]
    # Of two workers the second starts when the first has loaded the sweep, if there is work left.
    assert bool(logs) == bool(workers)
    for text in (done.stdout, done.stderr, *logs):
        assert [note for note in NOTES if note.decode() in text] == []


def test_runs_in_a_plain_locale(tmp_path):
    """Where the terminal speaks only ASCII a sweep runs and prints all the same."""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, str(TINY), "--trials", "1", "--root", str(tmp_path / "r"),
         "--no-tracking"],
        capture_output=True, env=environment, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"Verdict:" in done.stdout
