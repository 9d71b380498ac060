"""Compare Flask-SocketIO with ``flask_realtime.flask_socketio``: one application, two imports.

    python benchmarks/migration.py --check

Flask-SocketIO is installed into an environment of its own; ``--peer-python`` names the interpreter
of another one. The rows and the method are those of compare.py.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial

from compare import SERVERS, laboratory
from comparison import (
    Turn,
    allow_connections,
    conclude,
    option_parser,
    take_turns,
    write_json,
)
from peers import peer_python
from processes import versions
from report import OURS, Result, as_json
from rows import ROWS

PEER = "Flask-SocketIO"
#: The highest accepted ratio.
TARGETS = {"echo": 0.5, "ack": 0.5, "broadcast": 0.5, "connect": 0.8, "poll": 0.8}


def main() -> int:
    """Run the comparison; return the exit status."""
    parser = option_parser(f"Compare {PEER} with the module of its interface.", 5, 3.0)
    parser.add_argument("--rows", default="ack,echo,broadcast", help=", ".join(TARGETS))
    parser.add_argument("--peer-python", metavar="PATH")
    options = parser.parse_args()
    return conclude(lambda: run(options), options.check)


def run(options: argparse.Namespace) -> list[Result]:
    """Measure the chosen rows and print them."""
    chosen = [name for name in options.rows.split(",") if name in TARGETS]
    rows = [replace(row, target=TARGETS[row.name]) for row in ROWS if row.name in chosen]
    allow_connections(max(row.connections for row in rows))
    script = str(SERVERS / "flask_socketio_app.py")
    commands = {
        PEER: (options.peer_python or peer_python(), script, "--module", "flask_socketio"),
        OURS: (sys.executable, script, "--module", "flask_realtime.flask_socketio"),
    }
    found: dict[str, str] = {}
    results = []
    with laboratory(options) as lab:
        for command in commands.values():
            found |= versions(command, lab.env)
        for row in rows:
            turns = [
                Turn(name, [row], partial(lab.measure, row, command))
                for name, command in commands.items()
            ]
            results += take_turns(turns, lab.rounds, PEER)
    print(table(results))
    print("\n" + "; ".join(f"{name}: {value}" for name, value in found.items()))
    if options.json is not None:
        write_json(options.json, as_json(results, found))
    return results


def table(results: list[Result]) -> str:
    """Lay the results out as a Markdown table."""
    lines = [f"| | {PEER} | {OURS}.flask_socketio | ratio | target |", "|---|--:|--:|--:|--:|"]
    for result in results:
        if result.error is not None:
            lines.append(f"| {result.row.title} | {result.error} | | | |")
            continue
        cells = [f"{result.median(name):.1f} {result.row.unit}" for name in (PEER, OURS)]
        cells += [f"{result.ratio:.2f}", f"{result.row.target:g}"]
        lines.append(f"| {result.row.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
