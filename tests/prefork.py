"""Programs that tests start, forked from a process that has imported what takes long.

A start of Python that imports Optuna, pandas and SciPy costs two seconds of a core, with TensorFlow
six. `Prefork` imports once for many programs: each is a process of its own, with arguments, folder,
environment, pipes, process id and exit code. What is read while packages are imported is that of
the common parent: where a test is about that, it starts a Python of its own.
"""

import atexit
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

from lossweights.executors import Forkserver, serve_forks
from lossweights.executors import _forkserver as module

HEARD = (signal.SIGINT, signal.SIGHUP)
STARTED = subprocess.Popen


class Prefork:
    """A process that programs are forked from; where that cannot be, each is a Python of its own.

    Args:
        imports: Modules that the programs need.
    """

    def __init__(self, *imports):
        self._server = Forkserver(imports) if Forkserver.is_possible() else None

    def popen(self, arguments, cwd=None, env=None):
        """Start a program, whose output is text in two pipes.

        Args:
            arguments: A script, or ``-m`` and a module, and what follows.
            cwd: The folder that it runs in.
            env: Its environment.
        """
        arguments, cwd = list(map(str, arguments)), str(cwd or Path.cwd())
        if self._server is None:
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            return subprocess.Popen([sys.executable, *arguments], cwd=cwd, env=env, **pipes)
        ignored = [int(n) for n in HEARD if signal.getsignal(n) is signal.SIG_IGN]
        env = dict(os.environ if env is None else env)
        asked = {"arguments": arguments, "folder": cwd, "environment": env, "ignored": ignored}
        module.subprocess.Popen = _popen  # should the server be started with this program
        try:
            return Program(self._server, asked)
        finally:
            module.subprocess.Popen = STARTED

    def run(self, arguments, cwd=None, env=None, timeout=280):
        """Run a program to its end, as `subprocess.run` does."""
        program = self.popen(arguments, cwd, env)
        try:
            out, err = program.communicate(timeout=timeout)
        finally:
            program.kill()
        return subprocess.CompletedProcess(program.args, program.returncode, out, err)

    @property
    def pids(self):
        """The process id of what programs are forked from, if there is one."""
        pid = None if self._server is None else self._server.pid
        return () if pid is None else (pid,)

    def close(self):
        """End what programs are forked from."""
        if self._server is not None:
            self._server.close()


def _popen(command, **options):
    """Start this module in the place of what workers are forked from."""
    return STARTED([sys.executable, __file__, *command[4:]], **options)


class Program:
    """A program that runs, with what `subprocess.Popen` has.

    Attributes:
        args: Its command line.
        stdout: What it prints, a stream of text.
        stderr: The same of errors.
    """

    def __init__(self, server, asked):
        self.args = [sys.executable, *asked["arguments"]]
        ours, theirs = socket.socketpair()
        (out, its_out), (err, its_err) = os.pipe(), os.pipe()
        try:
            with theirs:
                self._process = server.fork(theirs.fileno(), its_out, 1)
            with ours:
                socket.send_fds(ours, [b"e"], [its_err])
                ours.sendall(json.dumps(asked).encode())
        finally:
            os.close(its_out)
            os.close(its_err)
        self.stdout, self.stderr = (
            open(end, encoding="utf-8")  # noqa: PTH123, SIM115
            for end in (out, err)
        )
        self.pid, self.poll, self.wait = self._process.pid, self._process.poll, self._process.wait
        self.kill, self.terminate = self._process.kill, self._process.terminate

    @property
    def returncode(self):
        """Its exit code, negative for a signal; ``None`` as long as it was not waited for."""
        return self._process.returncode

    def send_signal(self, number):
        """Send a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout=None):
        """What it still prints until its end, of both kinds."""
        found = {}

        def read(stream):
            with stream:
                found[stream] = stream.read()

        streams = [stream for stream in (self.stdout, self.stderr) if not stream.closed]
        readers = [threading.Thread(target=read, args=[stream]) for stream in streams]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return found.get(self.stdout, ""), found.get(self.stderr, "")


def work(number, parent):
    """Be the program that is asked for."""
    with socket.socket(fileno=number) as told:
        _, (errors,), _, _ = socket.recv_fds(told, 1, 1)
        with told.makefile("rb") as content:
            asked = json.loads(content.read())
    os.dup2(errors, 2)
    os.close(errors)
    # Those of the parent lead nowhere, and so remember of what kind they are.
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    for each in HEARD:
        usual = signal.default_int_handler if each is signal.SIGINT else signal.SIG_DFL
        signal.signal(each, signal.SIG_IGN if each in asked["ignored"] else usual)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    program, *_ = sys.argv = asked["arguments"]
    said = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [*said, *PATH]
    try:
        if program == "-m":
            sys.path.insert(0, asked["folder"])
            del sys.argv[0]
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, str(Path(program).resolve().parent))
            runpy.run_path(str(Path(program).resolve()), run_name="__main__")
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        raise
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()


if __name__ == "__main__":
    PATH = [entry for entry in sys.path if Path(entry) != Path(__file__).parent]
    requests, driver, *modules = sys.argv[1:]
    for each in modules:
        import_module(each)
    serve_forks(socket.socket(fileno=int(requests)), int(driver), work)
