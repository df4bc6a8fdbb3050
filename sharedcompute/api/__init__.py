"""What a user imports: jobs over arrays and HDF5 files."""

from __future__ import annotations

import sys

from sharedcompute.api.preview import plan

# The function, and not the sub-package of that name, which its own import has put there just now.
vars(sys.modules["sharedcompute"])["plan"] = plan
