"""A headless Chromium, driven through chromedriver's own protocol with the standard library."""

import base64
import ctypes
import json
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
PATIENCE = 120  # seconds for a page to show what it should, on the slowest machine

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",  # the browser ends with the driver at its other end
    "--window-size=1600,1200",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no name leads anywhere
)


def die_with_parent():
    """Have Linux end a new process when the one that started it dies, however that dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Chrome:
    """One browser with a profile of its own; a context manager.

    Args:
        profile: An empty folder.
    """

    def __init__(self, profile):
        self._driver = subprocess.Popen(
            [DRIVER, "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=die_with_parent,
        )
        for line in self._driver.stdout:
            if "started successfully on port" in line:
                self._address = f"http://127.0.0.1:{line.split()[-1].rstrip('.')}"
                break
        arguments = [*QUIET, f"--user-data-dir={profile}"]
        wanted = {
            "goog:chromeOptions": {"binary": CHROMIUM, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        wanted = {"capabilities": {"alwaysMatch": wanted}}
        self._session = self._call("POST", "/session", wanted)["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._call("DELETE", f"/session/{self._session}")
        finally:
            self._driver.terminate()
            self._driver.communicate()

    def open(self, url):
        """Load a page."""
        self._call("POST", f"/session/{self._session}/url", {"url": url})

    def run(self, script):
        """Run JavaScript in the page and give what it returns."""
        body = {"script": script, "args": []}
        return self._call("POST", f"/session/{self._session}/execute/sync", body)

    def wait_for(self, script):
        """Wait, in the page itself, until JavaScript gives something true, and give that."""
        waiting = f"""
            const done = arguments[arguments.length - 1];
            const look = () => {{
                const found = (() => {{ {script} }})();
                if (found) done(found); else requestAnimationFrame(look);
            }};
            look();
        """
        timeouts = {"script": PATIENCE * 1000, "pageLoad": PATIENCE * 1000}
        self._call("POST", f"/session/{self._session}/timeouts", timeouts)
        body = {"script": waiting, "args": []}
        return self._call("POST", f"/session/{self._session}/execute/async", body)

    def devtools(self, command, **parameters):
        """Send a command of Chromium's own protocol, such as ``"Page.reload"``."""
        body = {"cmd": command, "params": parameters}
        return self._call("POST", f"/session/{self._session}/goog/cdp/execute", body)

    def size(self, width, height, *, dark=False, media=""):
        """Make the window as large, down to that of a phone, and choose light or dark."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def console(self):
        """What the pages have written to the console since the last call, errors and all."""
        body = {"type": "browser"}
        return self._call("POST", f"/session/{self._session}/se/log", body)

    def screenshot(self, path):
        """Keep what the page looks like."""
        data = self._call("GET", f"/session/{self._session}/screenshot")
        path.write_bytes(base64.b64decode(data))

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=2 * PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                said = json.load(error)["value"]["message"]
            raise AssertionError(f"{path}: {said[:2000]}") from None
