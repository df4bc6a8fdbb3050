"""Copy the climate field of the demo out of the installed package iris-sample-data."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

NAME = "A1B_north_america.nc"


def main(target: Path) -> None:
    spec = find_spec("iris_sample_data")
    if spec is None or not spec.submodule_search_locations:
        sys.exit('the demo needs its extra: pip install -e ".[demo]"')
    shutil.copyfile(Path(spec.submodule_search_locations[0]) / "sample_data" / NAME, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name(NAME))
