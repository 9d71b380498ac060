"""What setup.cfg cannot say: the long description, addresses once there are any, and what is C."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

import compiling  # noqa: E402
from docs.links import address, outward  # noqa: E402

repository = address()
readme = (ROOT / "README.md").read_text(encoding="utf-8")
places = {"Source": "", "Documentation": "/blob/HEAD/docs/README.md"}
places |= {"Changes": "/blob/HEAD/CHANGES.md", "Issues": "/issues"}

setup(
    long_description=outward(readme, repository, lambda target: True),
    long_description_content_type="text/markdown",
    project_urls={name: repository + path for name, path in places.items()} if repository else {},
    options=compiling.options(),
    ext_modules=compiling.extensions(),
    setup_requires=compiling.requirements(),
)
