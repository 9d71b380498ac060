"""The site of the documentation: Sphinx reads the Markdown of this folder as it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sphinx.application import Sphinx  # noqa: E402

import flask_realtime  # noqa: E402
from docs.links import address, outward  # noqa: E402

project = "flask_realtime"
version = release = flask_realtime.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
# The table of contents of the folder; index.md shows it.
exclude_patterns = ["README.md", "_build"]
myst_heading_anchors = 4
smartquotes_action = "D"  # dashes, and no other quotes

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "alphabetical"
# A name that is referred to has to be there. Types of other packages and inner ones have no page.
nitpicky = True
nitpick_ignore_regex = [("py:(class|data|obj)", r"[\w.\[\]~]+"), ("py:exc", r"redis\.\w+")]

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"flask_realtime {version}"
html_copy_source = False
html_show_copyright = False


def adapt_links(app: Sphinx, page: str, source: list[str]) -> None:
    """Lead links that leave docs/ to their page of the site, or to the repository."""
    text = source[0].replace("](../CHANGES.md)", "](changes.md)")
    source[0] = outward(text, address(), lambda target: target.startswith("../"))


def adapt_included(app: Sphinx, path: Path, page: str, source: list[str]) -> None:
    """The same for a file that another one includes."""
    adapt_links(app, page, source)


def find_export(app: Sphinx, env: Any, node: Any, content: Any) -> Any:
    """Find what docstrings and annotations name where it is defined, below the package."""
    names = node.get("reftarget", "").split(".")
    exported = [i for i, name in enumerate(names) if name in flask_realtime.__all__]
    if not exported or node.get("refdomain") != "py":
        return None
    target = ".".join(["flask_realtime", *names[exported[0] :]])
    if target == node["reftarget"]:
        return None
    domain, builder = env.get_domain("py"), app.builder
    return domain.resolve_xref(env, node["refdoc"], builder, "obj", target, node, content)


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("source-read", adapt_links)
    app.connect("include-read", adapt_included)
    app.connect("missing-reference", find_export)
