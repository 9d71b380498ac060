"""Pyright, the checker of many editors, accepts an application and reports its mistakes.

`./dev lint` passes the same file through mypy.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "tests" / "typing" / "application.py"
PYRIGHT = ROOT / "node_modules" / "pyright" / "index.js"


def test_pyright_agrees_with_the_comments_of_the_sample(tmp_path: Path) -> None:
    settings = {
        "extraPaths": [str(ROOT)],
        "pythonVersion": "3.10",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "enableTypeIgnoreComments": False,
    }
    # Pyright looks below the folder of its settings only.
    shutil.copy(SAMPLE, tmp_path)
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(settings), encoding="utf-8")
    done = subprocess.run(
        ["node", PYRIGHT, "--pythonpath", sys.executable, "-p", project, "--outputjson"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    found = [
        f"{item['range']['start']['line'] + 1}: {item['message']}"
        for item in report["generalDiagnostics"]
    ]
    assert report["summary"]["filesAnalyzed"] == 1
    assert found == []
