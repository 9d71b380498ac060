"""A great deal at once, for the official client, with the limits that a server has by default."""

from __future__ import annotations

import pytest

from tests.interop.running import MODES, Runner, scenarios, sentence
from tests.processes import ServerProcess


@pytest.mark.parametrize("name", scenarios("flooding"), ids=sentence)
@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_reads_gets_everything(
    official_client: Runner, server: ServerProcess, name: str, mode: str
) -> None:
    official_client.run(name, mode, server.url)
