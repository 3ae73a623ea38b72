"""Simulations of policies that no evaluation would accept: in plain processes, seed by seed."""

import signal
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context

from openglia.measuring.processes import available_cores
from openglia.problems.routing.benchmark.definition import Benchmark


def by_seed[Found](
    simulate: Callable[[Benchmark, int], Found], benchmark: Benchmark
) -> list[Found]:
    """What ``simulate`` gives for each evaluation seed. An interruption ends the processes at once.

    It can be pickled: a function of a module, or a partial one.
    """
    workers = min(available_cores(), len(benchmark.seeds))
    # Forked, as other kinds leave a helper process behind, which complains when it is ended.
    with get_context("fork").Pool(workers, _obey) as pool:
        return pool.map(partial(simulate, benchmark), benchmark.seeds, chunksize=1)


def _obey() -> None:
    """Leave the terminal's signal to the parent, and end at its word."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
