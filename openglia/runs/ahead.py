"""Packages that load while a run waits for its simulations: what comes next then starts at once."""

import importlib
import threading
from contextlib import suppress

AGENTS = ("openglia.discovery.loop", "openglia.discovery.provider", "openglia.discovery.session")
REPORT = ("matplotlib.figure", "matplotlib.backends.backend_svg", "matplotlib.backends.backend_agg")


def load_ahead(modules: tuple[str, ...]) -> None:
    """Import them in a thread of their own. A failure is left to whoever needs one."""

    def load() -> None:
        for name in modules:
            with suppress(Exception):
                importlib.import_module(name)

    threading.Thread(target=load, name="loading ahead", daemon=True).start()
