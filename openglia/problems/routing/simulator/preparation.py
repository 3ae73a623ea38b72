"""What a process does before a router runs in it, so that all routers begin alike."""

import gc
import random
import resource
import sys
from pathlib import Path

GARBAGE = 100_000  # new objects between two looks for cycles: the engine makes none


def load_numpy(scheduler: str) -> None:
    """Load NumPy ahead of the simulations if the router's file names it; the engine has no use."""
    router = Path(scheduler)
    if router.is_file() and b"numpy" in router.read_bytes():
        import numpy.random  # noqa: F401 - late, as few routers need it


def limit(memory_mb: int) -> None:
    """Bound the address space to what is in use now and so much more (Linux)."""
    gc.set_threshold(GARBAGE)
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return
    used = int(statm.read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = used + (memory_mb << 20)
    if hard != resource.RLIM_INFINITY:
        size = min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def seed_randomness(seed: int) -> None:
    """As Vidur's main does; the router's constructor may already draw."""
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed)
