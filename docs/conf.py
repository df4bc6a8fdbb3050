"""Settings of Sphinx: `make docs` builds the documentation offline, with warnings as errors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]
# Examples of the gallery and pages of commands must not depend on the terminal that builds them.
os.environ.pop("FORCE_COLOR", None)
os.environ["COLUMNS"] = "100"
os.environ["MPLBACKEND"] = "Agg"

from gallery import prepare  # noqa: E402 - after the path

from tests import kernel_cache  # noqa: E402

# Kernels that the tests have compiled are found again.
os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache.folder()))
import sharedcompute  # noqa: E402

project = "sharedcompute"
copyright = "the sharedcompute developers"
author = "The sharedcompute developers"
version = release = sharedcompute.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "catalogue",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_ext", "_templates", "Thumbs.db"]
templates_path = ["_templates"]
nitpicky = True
# Public names are checked; those of other packages have inventories that would be downloaded.
nitpick_ignore_regex = [("py:(class|data|obj)", r"(?!sharedcompute\.\w+$).*")]
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # the sections of parameters have them, for people
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False
default_role = "code"

sphinx_gallery_conf = {
    "examples_dirs": [str(prepare(HERE / "_build" / "examples"))],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": "gallery.ByOrder",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "plot_gallery": True,
    "abort_on_example_error": True,
    "ignore_repr_types": r"matplotlib|list",
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "min_reported_time": 5,
    "write_computation_times": False,
}
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

html_static_path = ["_static"]
html_theme = "pydata_sphinx_theme"
html_title = "sharedcompute"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
