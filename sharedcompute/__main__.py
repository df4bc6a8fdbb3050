"""``python -m sharedcompute``, and the command ``sharedcompute``."""

from __future__ import annotations

import sys
from typing import NoReturn

from sharedcompute.cli.signals import Signals


def main() -> NoReturn:
    """Run the command line and exit."""
    signals = Signals()
    signals.install()
    # After that: a Ctrl-C while this imports shall not print where.
    from sharedcompute.cli.main import invoke  # noqa: PLC0415

    code = invoke(sys.argv[1:], signals)
    if signals.caught:
        signals.leave(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
