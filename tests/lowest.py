"""Print the lowest versions that pyproject.toml allows, as constraints for pip: `make lowest`."""

import re
import sys
import tomllib
from pathlib import Path

EXTRAS = ("learn", "plot")
"""What users install besides; the tools of tests and benchmarks may be of any version."""


def lowest(pyproject: Path) -> list[str]:
    """Return ``name==version`` for each dependency, the version being its lower bound."""
    project = tomllib.loads(pyproject.read_text())["project"]
    asked = [*project["dependencies"]]
    for extra in EXTRAS:
        asked += project["optional-dependencies"][extra]
    return [re.sub(r"(\[.*\])?>=", "==", requirement) for requirement in asked]


if __name__ == "__main__":
    print("\n".join(lowest(Path(sys.argv[1]))))
