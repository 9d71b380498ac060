"""Whether the standard library cooperates with gevent in this process."""

from __future__ import annotations

import logging

from gevent import monkey

__all__ = ["warn_if_unpatched"]

logger = logging.getLogger(__name__)


def warn_if_unpatched() -> None:
    """Log a warning, with the remedy, when the standard library is not patched."""
    if not monkey.is_module_patched("socket"):
        logger.warning(
            "! this process is not patched: while a handler waits in time.sleep() or for a "
            "database, no other client is served; the first lines of the program should be: "
            "from gevent import monkey; monkey.patch_all()"
        )
