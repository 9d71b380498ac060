from __future__ import annotations

import pytest

# The suites that adapters share have their assertions outside of test files.
for name in ("contract", "bus_contract", "together"):
    pytest.register_assert_rewrite(f"tests.adapters.{name}")
