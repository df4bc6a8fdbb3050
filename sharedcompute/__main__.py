"""``python -m sharedcompute``, and the command ``sharedcompute``."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

from sharedcompute.cli.signals import Signals
from sharedcompute.system.descriptors import occupy_standard


def _give_streams() -> None:
    """Open standard streams that were closed (``>&-``), for which Python has None, to nowhere."""
    occupy_standard()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names in files need not be UTF-8; they are printed as their bytes.
        sys.stdout.reconfigure(errors="surrogateescape")


def main() -> NoReturn:
    """Run the command line and exit."""
    signals = Signals()
    signals.install()
    _give_streams()
    # After that: a Ctrl-C during this import must not print a traceback.
    from sharedcompute.cli.main import invoke  # noqa: PLC0415

    code = invoke(sys.argv[1:], signals)
    if signals.caught:
        signals.leave(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
