"""``results.json``: begun with the run, saved after every step, so that a kill loses one step."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from openglia.errors import OpenGliaError
from openglia.files import write_json
from openglia.runs.folder import RunFolder

UNFINISHED = "running"  # the status until the run is finished

Results = dict[str, Any]


def load(folder: RunFolder) -> Results:
    """Read a run's results.

    Raises:
        OpenGliaError: the file is damaged.
    """
    try:
        results = json.loads(folder.results.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise OpenGliaError(f"{folder.results} cannot be read: {error}") from None
    if not isinstance(results, dict) or "outcome" not in results:
        raise OpenGliaError(f"{folder.results} is not a run's results")
    return results


def save(folder: RunFolder, results: Mapping[str, Any]) -> None:
    """Write the results, atomically.

    Raises:
        OpenGliaError: the folder is gone or the disk is full.
    """
    if not folder.path.is_dir():
        raise OpenGliaError(f"the run's folder {folder.path} was deleted; start a new run")
    try:
        write_json(folder.results, results)
    except OSError as error:
        raise OpenGliaError(
            f"{folder.results} cannot be written: {error.strerror}; make room, then run: "
            f"openglia finish {folder.path}"
        ) from None


def now() -> str:
    """This moment, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def warn(results: Results, line: str) -> None:
    """Add a warning, once."""
    if line not in results["warnings"]:
        results["warnings"].append(line)


def on_evaluation_seeds(results: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """JSON lines on the evaluation seeds by name: the baselines, ``stub`` and ``final``."""
    return _by_name(results, "evaluation")


def on_held_out_seeds(results: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Likewise on the held-out seeds."""
    return _by_name(results, "held_out")


def _by_name(results: Mapping[str, Any], group: str) -> dict[str, dict[str, Any]]:
    routers = {**(results.get("baselines") or {}), "stub": results.get("stub")}
    routers["final"] = results.get("final")
    return {name: router[group] for name, router in routers.items() if router and router.get(group)}
