"""What Keras is set to in the main part of a script is in force in workers, and part of a sweep."""

import os
import subprocess
import sys
from pathlib import Path

import lossweights

SCRIPT = f"""
import sys
import keras
import lossweights as lw
from lossweights.base.errors import SweepChanged
sys.path.insert(0, {str(Path(__file__).parent)!r})
from tiny import arguments

sweep = lw.Sweep(**arguments(epochs=1, optimizer="adam"))
options = {{"tracking": False, "quiet": True, "trainer": "fit", "confirm": 0}}

def rmse(root, workers):
    return list(sweep.run(2, root=root, workers=workers, **options).trials["rmse"])

if __name__ == "__main__":
    plain = rmse("plain", 0)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    keras.config.set_epsilon(1e-2)
    here, there = rmse("here", 0), rmse("there", 1)
    assert here == there != plain, (plain, here, there)
    keras.config.set_epsilon(1e-7)
    try:
        sweep.run(3, root="there", workers=1, resume=True, **options)
    except SweepChanged as error:
        print(error)
"""


def test_workers_are_set_as_their_driver_and_a_sweep_is_resumed_as_it_was_set(tmp_path):
    """Another epsilon is another sweep, and is named."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(lossweights.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert "keras.epsilon: was 0.01, is now 1e-07" in done.stdout
    assert "below `if __name__ == '__main__':`" in done.stdout
    assert "keras.dtype_policy" not in done.stdout
