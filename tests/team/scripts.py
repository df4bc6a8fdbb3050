"""Scripts in processes of their own, as a user runs them."""

import os
import signal
import subprocess
import sys
import textwrap
import time

from sharedcompute.shm.segments import start_time


class Script:
    """A running script; what it prints can be read while it runs."""

    def __init__(self, folder, text):
        path = folder / "script.py"
        path.write_text(textwrap.dedent(text))
        self.process = subprocess.Popen(
            [sys.executable, path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def line(self):
        return self.process.stdout.readline().strip()

    def end(self, seconds=60):
        """Wait for the end: exit code, the rest of stdout, stderr."""
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out.strip(), err.strip()

    def kill_group(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def run(folder, text):
    script = Script(folder, text)
    try:
        return script.end()
    finally:
        script.kill_group()


def eventually(condition, seconds=20.0):
    """Poll until `condition`, or give up: a deadline for machines that are busy, not a wait."""
    deadline = time.monotonic() + seconds
    while not (result := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return result


def gone(pid):
    return start_time(pid) is None
