"""Metrics of two workers of gunicorn, as the documentation sets them up, with official clients."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.hosts.conftest import GUNICORN_READY, gunicorn_flags
from tests.processes import ROOT, ServerProcess, eventually, free_port, node, node_package, python

CONFIG = re.compile(r"^```py\n(# gunicorn\.conf\.py\n.*?)^```$", re.MULTILINE | re.DOTALL)
CLIENTS = """
const { io } = require("socket.io-client");
const clients = Array.from({ length: 8 }, () => io(process.argv[1], { forceNew: true }));
const ask = async (client) => {
  const added = new Promise((resolve) => client.on("added", resolve));
  if (await client.emitWithAck("add", 1, 2) !== 3) throw new Error("wrong");
  client.emit("made up " + client.id);
  await added;
};
Promise.all(clients.map(ask)).then(() => clients.forEach((client) => client.close()));
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    page = (ROOT / "docs" / "observing.md").read_text(encoding="utf-8")
    (config,) = CONFIG.findall(page)
    config = config.replace("9200", str(free_port())).replace("workers = 4", "workers = 2")
    file: Path = tmp_path_factory.mktemp("gunicorn") / "gunicorn.conf.py"
    file.write_text(config, encoding="utf-8")
    flags = ["-k", "gevent", "-b", "127.0.0.1:0", "--graceful-timeout", "2", *gunicorn_flags()]
    command = python("-m", "gunicorn", *flags, "-c", str(file), "tests.hosts.observed:app")
    with ServerProcess(command, ready=GUNICORN_READY) as running:
        yield running
        running.stop()


def scrape(port: int) -> Counter[str]:
    """The sum of each metric of one worker, and of those with an event, by event."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] += int(sample.value)
            found[f"{sample.name} {sample.labels.get('event')}"] += int(sample.value)
    return found


def test_the_sum_over_the_workers_is_what_official_clients_did(server: ServerProcess) -> None:
    node_package("socket.io-client")

    def ports() -> list[str]:
        found = re.findall(r"metrics at port (\d+)", server.stderr)
        return found if len(found) == 2 else []

    first, second = map(int, eventually(ports, within=20, what="two ports"))
    assert first != second
    done = subprocess.run(
        [node(), "-e", CLIENTS, server.url],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    def total() -> Counter[str]:
        return scrape(first) + scrape(second)

    eventually(lambda: total()["realtime_disconnects_total"] == 8, within=10, what="the ends")
    found = total()
    assert found["realtime_connections_total"] == 8
    assert found["realtime_event_seconds_count add"] == 8
    assert found["realtime_event_seconds_count other"] == 8
    assert found["realtime_events_emitted_total added"] == 8
    assert found["realtime_siblings"] == 2
    assert found["realtime_clients"] == found["realtime_handler_errors_total"] == 0
