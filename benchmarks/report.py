"""Numbers into medians, ratios, a Markdown table and JSON. No processes here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rows import Row

OURS = "flask_realtime"
COMPILED = "flask_realtime, compiled"
NODE = "Node socket.io"


@dataclass(frozen=True, slots=True)
class Result:
    """One row's measurements: the n-th value of each contestant is from the n-th round."""

    row: Row
    values: Mapping[str, Sequence[float]]  # contestant -> one value per round
    error: str | None = None
    peer: str = NODE
    ours: str = OURS  # which of our servers the ratio is about

    def median(self, contestant: str) -> float | None:
        """Return the middle of a contestant's rounds, or None where it does not run this row."""
        values = self.values.get(contestant)
        return median(values) if values else None

    @property
    def ratio(self) -> float | None:
        """Return ours / the peer's, from the medians."""
        ours, node = self.median(self.ours), self.median(self.peer)
        return ours / node if ours is not None and node else None

    @property
    def round_ratios(self) -> list[float]:
        """Return ours / Node of each round: their spread says how much the ratio is worth."""
        return [
            ours / node
            for ours, node in zip(self.values[self.ours], self.values[NODE], strict=True)
            if node
        ]

    @property
    def passed(self) -> bool:
        """Whether the row was measured, and its ratio is within the target if it has one."""
        if self.error is not None or self.ratio is None:
            return False
        return self.row.target is None or self.ratio <= self.row.target


def markdown(results: Sequence[Result]) -> str:
    """Lay out the ratios to Node, and their targets, as a Markdown table."""
    head = ["", "unit", NODE, results[0].ours, "ratio", "min–max", "target", ""]
    align = ["---", "---", *["---:"] * 5, "---"]
    return _table([head, align, *map(_cells, results)])


def side_by_side(results: Sequence[Result], names: Sequence[str]) -> str:
    """Lay out what each server needs as a Markdown table, for those who choose between them."""
    lines = [["", *names], ["---", *["---:"] * len(names)]]
    for result in results:
        row = result.row
        numbers = [_number(result.median(name), row.digits) for name in names]
        lines.append([f"{row.title}, {row.unit}", *numbers])
    return _table(lines)


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def beside(pairs: Sequence[tuple[Result, Result]]) -> str:
    """Lay out what results cost more than others, of the same contestants, as a table."""
    head = ["", "unit"]
    for name in (NODE, OURS):
        head += [f"{name}: more", "factor"]
    lines = [head, ["---", "---", *["---:"] * 4], *(_more(*pair) for pair in pairs)]
    return _table(lines)


def _more(result: Result, other: Result) -> list[str]:
    cells = [result.row.title, result.row.unit]
    for name in (NODE, OURS):
        value, base = result.median(name), other.median(name)
        if value is None or not base:
            cells += ["–", "–"]
        else:
            cells += [_number(value - base, result.row.digits), f"{value / base:.2f}"]
    return cells


def as_json(results: Sequence[Result], environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that was measured, for other programs."""
    return {"environment": dict(environment), "rows": [_row_as_json(result) for result in results]}


def _cells(result: Result) -> list[str]:
    row = result.row
    start = [row.title, row.unit]
    target = "–" if row.target is None else f"≤ {row.target:g}"
    if result.error is not None:
        return [*start, "–", "–", "–", "–", target, "failed"]
    spread = f"{min(result.round_ratios):.2f}–{max(result.round_ratios):.2f}"
    both = [
        _number(result.median(NODE), row.digits),
        _number(result.median(result.ours), row.digits),
        f"{result.ratio:.2f}",
        spread,
        target,
    ]
    verdict = "" if row.target is None else "ok" if result.passed else "**over**"
    return [*start, *both, verdict]


def _number(value: float | None, digits: int) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.{digits}f}"


def _row_as_json(result: Result) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": result.row.name,
        "title": result.row.title,
        "unit": result.row.unit,
        "load": list(result.row.load),
        "target": result.row.target,
        "passed": result.passed,
        "error": result.error,
    }
    if result.error is None:
        row["contestants"] = {
            name: {"median": median(values), "rounds": list(values)}
            for name, values in result.values.items()
        }
        row |= {"ratio": result.ratio, "round_ratios": result.round_ratios}
    return row
