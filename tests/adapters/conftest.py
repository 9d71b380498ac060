from __future__ import annotations

import pytest

# The suites that adapters share have their assertions outside of test files.
pytest.register_assert_rewrite("tests.adapters.contract", "tests.adapters.bus_contract")
