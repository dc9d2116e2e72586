"""Settings of the documentation site: `make docs` builds it into build/docs, warnings are errors.

Pages are Markdown (MyST); the notebooks of examples/notebooks are linked into docs/tutorials, and
the tutorial is executed by the build, small or in full as ANB_NOTEBOOK says.
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import anb_onnx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS / "_ext"))

_project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "anb-onnx"
version = release = _project["version"]
author = "The anb_onnx developers"
copyright = f"2026, {author}. Apache-2.0"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "repository_links",
    "program_help",
    "property_words",
]
# Sphinx has a page search.html of its own, so that search.md is one under another name.
exclude_patterns = ["_ext", "_static", "search.md"]
nitpicky = True
# References to our own public names are checked. Docstrings have types in words ("float32 array"),
# and name things of other packages and of rooms that are not public.
_public = "|".join(anb_onnx.__all__)
nitpick_ignore_regex = [("py:(class|obj|exc)", rf"(?!anb_onnx\.({_public})$).*")]

# Where a link that leaves this folder leads: these files are no pages, but the repository's.
repository_url = _project.get("urls", {}).get("Repository", "https://github.com/anb-onnx/anb-onnx")
repository_root = str(ROOT)

# Markdown
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

# Notebooks. What was executed in full is in the repository; the build executes the tutorial again,
# so that the site shows what today's code prints.
os.environ.setdefault("ANB_NOTEBOOK", "small")
os.environ.setdefault("IPYTHONDIR", str(ROOT / "build" / "ipython"))  # no profile of a user
nb_execution_mode = "force"  # a cache would not see that the package has changed
nb_execution_excludepatterns = ["*reproduction.ipynb"]  # ten minutes in full; tests run it small
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_kernel_rgx_aliases = {".*": "python3"}

# The API. Types stand in the docstrings, in words and with shapes; signatures have the names.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
default_role = "py:obj"  # what stands in single backquotes, and leads somewhere if it is public
autoclass_content = "class"
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = True

# The look
html_theme = "furo"
html_title = f"anb-onnx {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "../examples/web/public/icon.svg"
html_theme_options = {
    "source_repository": repository_url,
    "source_branch": "main",
    "source_directory": "docs/",
}
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
