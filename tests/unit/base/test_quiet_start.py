"""TensorFlow's start-up notes are left out where lossweights imports it, and nothing else is."""

import importlib
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import textwrap

import pytest

from lossweights.base._sieve import NOTES

# What TensorFlow 2.21 wrote, word for word, and oneDNN's note of machines where it is on.
WRITTEN = """
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1.933894    7665 cudart_stub.cc:31] Could not find cuda drivers on your machine, \
GPU will not be used.
I0000 00:00:1.065892    7665 port.cc:153] oneDNN custom operations are on. You may see slightly \
different numerical results due to floating-point round-off errors from different computation \
orders. To turn them off, set the environment variable `TF_ENABLE_ONEDNN_OPTS=0`.
I0000 00:00:1.065892    7665 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use \
available CPU instructions in performance-critical operations.
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with the \
appropriate compiler flags.
E0000 00:00:1.813225   19294 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: \
Failed call to cuInit: UNKNOWN ERROR (303)
"""
ERROR = "E0000 00:00:1.1 7 cuda_platform.cc:52] failed call to cuInit: CUDA_ERROR_NO_DEVICE"

QUIETLY = """
from lossweights.base.quiet_start import quiet_start
with quiet_start():
    import tensorflow
"""


@pytest.fixture
def write(tmp_path):
    """Runs code that imports a fake TensorFlow; what that says is in ``SAYS``."""

    def run(tensorflow, code=QUIETLY, code_after="", **environment):
        body = f"import os\nSAYS = {WRITTEN!r}\n{textwrap.dedent(tensorflow)}\n"
        (tmp_path / "tensorflow.py").write_text(body, encoding="utf-8")
        usual = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
        usual["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        return subprocess.run(
            [sys.executable, "-P", "-c", textwrap.dedent(code + code_after)],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            env={**usual, **environment},
            timeout=60,
        )

    return run


def test_notes_are_left_out_and_all_else_passes(write):
    """Lines around the notes are there, in order, whole, with their bytes."""
    done = write(
        """
        os.write(2, b"first\\n")
        os.write(2, SAYS.encode())
        os.write(2, b"\\xff\\x00\\n")
        os.system("echo of a child >&2")
        os.write(2, b"no end")
        """,
        code_after="import os\nos.write(2, b' of line\\nafter\\n')\n",
    )
    assert done.returncode == 0
    assert done.stderr.split("\n", 1) == [
        "first",
        "\n\udcff\x00\nof a child\nno end of line\nafter\n",
    ]


def test_errors_are_not_taken_for_notes(write):
    """An error of a driver that is there is to be seen."""
    done = write(f"os.write(2, {ERROR.encode()!r} + b'\\n')")
    assert done.stderr == ERROR + "\n"


def test_failing_import_shows_all(write):
    """The traceback and what was written before it."""
    done = write("os.write(2, SAYS.encode() + b'no library\\n')\nraise ImportError('broken')")
    assert done.returncode == 1
    assert "no library\n" in done.stderr
    assert "Traceback" in done.stderr
    assert done.stderr.endswith("ImportError: broken\n")
    assert "oneDNN" not in done.stderr


def test_what_ends_the_process_shows(write):
    """TensorFlow says why and aborts where the processor is too old for it."""
    done = write("os.write(2, b'compiled to use AVX\\n')\nos.abort()")
    assert done.returncode < 0
    assert done.stderr == "compiled to use AVX\n"


def test_much_output_does_not_block(write):
    """More than a pipe holds passes at once."""
    done = write("os.write(2, b'x' * 1_000_000 + b'\\n')")
    assert len(done.stderr) == 1_000_001


@pytest.mark.parametrize(
    ("code", "environment"),
    [
        ("import lossweights, tensorflow", {}),
        (QUIETLY, {"TF_CPP_MIN_LOG_LEVEL": "0"}),
        (QUIETLY.replace("    import", "    pass\nimport"), {}),
    ],
    ids=["not ours", "asked for", "afterwards"],
)
def test_other_imports_are_as_loud_as_ever(write, code, environment):
    """Only within the context, and only without the user's word for it, are notes left out."""
    assert write("os.write(2, SAYS.encode())", code, **environment).stderr == WRITTEN


@pytest.mark.parametrize(("level", "seen"), [(None, "1"), ("2", "2")])
def test_level_is_for_tensorflow_alone(write, level, seen):
    """Loaded at the level of warnings unless the user says another; nobody else finds it set."""
    done = write(
        "os.write(1, os.environ['TF_CPP_MIN_LOG_LEVEL'].encode() + b'\\n')",
        code_after="import os\nprint(os.environ.get('TF_CPP_MIN_LOG_LEVEL'))\n",
        **({"TF_CPP_MIN_LOG_LEVEL": level} if level else {}),
    )
    assert done.stdout.split() == [seen, str(level)]


def test_without_standard_error(write):
    """A program that has closed it imports TensorFlow all the same."""
    done = write(
        "os.write(1, b'imported\\n')", code="import os\nos.close(2)\n" + QUIETLY.lstrip("\n")
    )
    assert (done.returncode, done.stdout) == (0, "imported\n")


def test_what_is_started_has_to_be_python(write):
    """Where another program has Python in it, nothing is sifted, and nothing is lost."""
    done = write(
        "os.write(2, SAYS.encode())", code="import sys\nsys.executable = '/bin/true'\n" + QUIETLY
    )
    assert (done.returncode, done.stderr) == (0, WRITTEN)


@pytest.mark.parametrize("name", ["TF_CPP_MAX_VLOG_LEVEL", "TF_CPP_VMODULE"])
def test_verbose_notes_are_asked_for(write, name):
    """Whoever wants to see more is not shown less."""
    assert write("os.write(2, SAYS.encode())", **{name: "1"}).stderr == WRITTEN


def test_a_process_that_goes_on_is_not_waited_for(write):
    """One that was started meanwhile still writes through the sieve."""
    done = write(
        """
        import subprocess
        CHILD = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        """,
        code_after="import os\nos.write(2, b'imported\\n')\ntensorflow.CHILD.stdin.close()\n"
        "tensorflow.CHILD.wait()\n",
    )
    assert (done.returncode, done.stderr) == (0, "imported\n")


def test_a_terminal_that_stops_writers_in_the_background(tmp_path):
    """``stty tostop``: errors are seen there as on any other."""
    (tmp_path / "tensorflow.py").write_text("import os\nos.write(2, b'an error\\n' * 3000)\n")
    child, terminal = pty.fork()
    if child == 0:
        modes = termios.tcgetattr(0)
        modes[3] |= termios.TOSTOP
        termios.tcsetattr(0, termios.TCSANOW, modes)
        path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        os.execve(
            sys.executable,
            [sys.executable, "-P", "-c", QUIETLY + "print('imported')"],
            {**os.environ, "PYTHONPATH": path},
        )
    try:
        seen = b""
        while select.select([terminal], [], [], 30)[0]:
            try:
                seen += os.read(terminal, 1 << 16)
            except OSError:  # the other end is closed
                break
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
    assert seen.count(b"an error") == 3000
    assert b"imported" in seen


def test_every_note_is_one_that_is_written():
    """The list has no pattern that nothing here shows the need of."""
    assert [note for note in NOTES if note.decode() not in WRITTEN] == []


COMPILES = """
import keras
import tensorflow
keras.ops.add(1, 1)
tensorflow.function(lambda x: 2.0 * x, jit_compile=True)(tensorflow.constant(1.0))
"""


@pytest.mark.parametrize(
    "first",
    ["import lossweights as lw; lw.CombinedLoss", pytest.param("", marks=pytest.mark.slow)],
)
def test_real_tensorflow(first):
    """Without us it writes notes, on import and later; after a public name of ours it writes none.

    If this fails for a new TensorFlow, the sieve's list is out of date.
    """
    importlib.import_module("tensorflow")  # so that `make check` knows that this needs it
    done = subprocess.run(
        [sys.executable, "-c", first + COMPILES],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("TF_")},
        timeout=120,
    )
    assert done.returncode == 0
    if first:
        assert done.stderr == ""
    else:
        assert any(note.decode() in done.stderr for note in NOTES)
        assert "Compiled cluster using XLA!" in done.stderr
