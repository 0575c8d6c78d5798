"""F27: bytes that are no text, and machines that speak ASCII."""

import os
import subprocess
import sys

import pytest

from lossweights.base.errors import WeightSetError
from lossweights.loss.weight_set import WeightSet

pytestmark = pytest.mark.faults

PRINTS_BYTES = """
def during(member, epoch):
    os.write(1, b"caf\\xe9 \\xff\\xfe\\n")
    if epoch == 1 and member.weights["b"] == 1.5:
        os.kill(os.getpid(), 9)
    if epoch == 1 and member.weights["b"] == 2.5:
        raise ValueError(b"\\xff".decode("utf-8", "surrogateescape") + " naïve ✓")

sweep = FakeSweep("fake", during=during, baselines=[{"b": 1.5}, {"b": 2.5}])
"""


def test_f27_what_models_print_is_kept_whatever_it_is(scripted):
    """Raw bytes in the log, readable in the details of a failure, text in every file."""
    script = scripted(PRINTS_BYTES)
    script.run(4, workers=1, max_retries=0)
    log = (script.sweep_folder / "logs" / "worker-1.log").read_bytes()
    assert b"caf\xe9 \xff\xfe" in log
    killed, raised = (script.results()[number].result for number in (0, 1))
    assert r"caf\xe9 \xff\xfe" in killed.details
    assert "naïve ✓" in raised.reason
    assert "ValueError" in raised.reason


def test_f27_latin_1_is_named_with_its_offset(tmp_path):
    """A weight set in another encoding is refused with the place of the first bad byte."""
    path = tmp_path / "weights.json"
    text = WeightSet({"mse": 1.0}, name="a").to_json().replace('"a"', '"café"')
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(WeightSetError, match=r"byte 0xe9 at offset \d+"):
        WeightSet.read(path)


def test_f27_sweeps_run_under_the_c_locale(scripted):
    """From the script to the summary, where the terminal knows ASCII alone."""
    script = scripted("# café ✓\n" + "sweep = FakeSweep('fake')")
    environment = {k: v for k, v in os.environ.items() if k not in ("LANG", "PYTHONIOENCODING")}
    environment |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, str(script.path), "--root", str(script.root), "--trials", "3"]
    done = subprocess.run(
        [*command, "--workers", "1", "--no-tracking"], env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert b"fake: 3 trials" in done.stdout.replace(b"\x1b[1m", b"").replace(b"\x1b[0m", b"")
