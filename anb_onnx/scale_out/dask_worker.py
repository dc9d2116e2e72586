"""What a worker does first that `open_dask` starts here; Dask calls `dask_setup` by its name."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the process that started the workers, and ends them.

    A terminal sends it to all of them, and each would end in a traceback of its own.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
