from __future__ import annotations

import pytest

# The suite that adapters share has its assertions outside of test files.
pytest.register_assert_rewrite("tests.adapters.contract")
