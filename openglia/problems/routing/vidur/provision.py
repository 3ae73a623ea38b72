"""The steps of ``openglia setup``. Each can be repeated, and interrupted at any point."""

import json
import os
import sys
import time
from collections.abc import Callable

from openglia import __version__, bootstrap, interrupts, paths
from openglia.errors import OpenGliaError
from openglia.files import canonical_json, sha256, write_json
from openglia.problems.routing.benchmark import artifact
from openglia.problems.routing.benchmark.definition import Cluster
from openglia.problems.routing.benchmark.loading import available, load_benchmark
from openglia.problems.routing.hardware.roofline import profile_hash
from openglia.problems.routing.vidur import checkout, installation, predictors, tree
from openglia.problems.routing.vidur.checkout import Source
from openglia.problems.routing.vidur.installation import Item

Tell = Callable[[str], None]

SELF_CHECK = paths.CACHE / "self-check.json"
SELF_CHECK_BENCHMARK = "smoke"
SELF_CHECK_SECONDS = 5  # simulated


def install_vidur(tell: Tell) -> None:
    """Clone, install the packages that Vidur imports, and train the predictors.

    Raises:
        OpenGliaError: Vidur or a package cannot be had, or the training failed.
    """
    source = Source.from_environment()
    start = time.monotonic()
    done_now = installation.put_right(source)
    for line in done_now:
        tell(f"{line} ({time.monotonic() - start:.1f} s)")
    if done := bootstrap.install([bootstrap.BASE, "vidur"]):
        tell(f"Vidur's packages: {done}")
    tree.apply_overrides(paths.VIDUR / checkout.PACKAGE)
    if done_now or artifact.VARIABLE in os.environ:
        _take_artifact(tell)
    for cluster in clusters():
        if not predictors.ready(cluster):
            _train(cluster, source.commit, tell)


def install_files(tell: Tell) -> None:
    """Put overrides, scripts and the working scheduler in place; with Vidur or without."""
    for line in installation.install_files():
        tell(line)


def vidur_is_there() -> bool:
    """Whether Vidur can be run."""
    return installation.is_installed()


def clusters() -> list[Cluster]:
    """The benchmarks' clusters, one of each profile that there is."""
    found = [cluster for cluster in _all_clusters() if _profile_is_there(cluster)]
    return list({profile_hash(cluster): cluster for cluster in reversed(found)}.values())


def _all_clusters() -> list[Cluster]:
    return [load_benchmark(name).cluster for name in available()]


def _profile_is_there(cluster: Cluster) -> bool:
    """Whether a profile that is not ours, and not Vidur's, was taken."""
    from openglia.problems.routing.vidur.profiles import artifact_files  # late: pandas

    return cluster.profile != artifact.NAME or all(
        artifact.kept(name).is_file() for name in artifact_files(cluster)
    )


def _take_artifact(tell: Tell) -> None:
    """Take the Glia authors' profiles where they can be had; one line says if they cannot."""
    from openglia.problems.routing.vidur.profiles import artifact_files  # late: pandas

    names = [artifact_files(c) for c in _all_clusters() if c.profile == artifact.NAME]
    try:
        for few in names:
            artifact.taken(*few)
    except OpenGliaError as error:
        tell(f"not for the benchmark glia-artifact: {error}")


def items(*, vidur_wanted: bool) -> list[Item]:
    """What is in place; changes nothing."""
    groups = [bootstrap.BASE] + (["vidur"] if installation.checked_out() else [])
    listed = [
        Item("packages", bootstrap.installed(groups), f"Python {sys.version.split()[0]}, .venv"),
        *installation.items(vidur_wanted=vidur_wanted),
    ]
    if installation.is_installed():
        for cluster in clusters():
            ready = predictors.ready(cluster)
            name = f"{cluster.model} on {cluster.gpu}"
            listed.append(Item("predictors", ready, f"{name} ({profile_hash(cluster)})"))
    passed = _passed()
    checks = [Item("self check", name in passed, name) for name in _simulators()]
    return [*listed, *checks]


def self_check(tell: Tell) -> None:
    """Simulate a few seconds with the stub through the command line, on each simulator there is.

    Raises:
        OpenGliaError: a simulation failed; with its reason.
    """
    passed = _passed()
    for simulator in _simulators():
        if simulator in passed:
            continue
        start = time.monotonic()
        result = _evaluate_stub(simulator)
        if result.get("status") != "ok":
            raise OpenGliaError(
                f"the self check on the {simulator} simulator failed: "
                f"{result.get('reason', 'no result')}"
            )
        passed.append(simulator)
        write_json(SELF_CHECK, {"key": _key(), "passed": passed})
        tell(
            f"self check: {SELF_CHECK_SECONDS} simulated seconds with the stub on the {simulator} "
            f"simulator ({time.monotonic() - start:.1f} s)"
        )


def _simulators() -> list[str]:
    return ["embedded", "vidur"] if installation.is_installed() else ["embedded"]


def _passed() -> list[str]:
    """The simulators that passed with what is installed now."""
    try:
        record = json.loads(SELF_CHECK.read_text())
    except (OSError, ValueError):
        return []
    return list(record["passed"]) if record.get("key") == _key() else []


def _key() -> str:
    """What a passed self check vouches for: it is repeated when one of these changes."""
    parts = {
        "commit": checkout.head(paths.VIDUR),
        "overrides": tree.overrides_sha256(),
        "pins": bootstrap.pins(),
        "python": sys.version,
        "openglia": __version__,
    }
    return sha256(canonical_json(parts))


def _evaluate_stub(simulator: str) -> dict[str, object]:
    command = [sys.executable, "-P", "-m", "openglia", "evaluate", str(paths.STUB), "--json"]
    command += ["--benchmark", SELF_CHECK_BENCHMARK, "--seeds", "0"]
    command += ["--duration", str(SELF_CHECK_SECONDS), "--simulator", simulator]
    environment = {
        name: value for name, value in os.environ.items() if name != "OPENGLIA_EVALUATOR"
    }
    environment["PYTHONPATH"] = str(paths.ROOT)
    result = interrupts.run(command, environment=environment, folder=paths.ROOT)
    lines = result.stdout.strip().splitlines()
    try:
        found: dict[str, object] = json.loads(lines[-1])
    except (IndexError, ValueError):
        said = result.stderr.strip().splitlines()
        return {"status": "failed", "reason": said[-1] if said else "no output"}
    return found


def _train(cluster: Cluster, commit: str, tell: Tell) -> None:
    name = f"{cluster.model} on {cluster.gpu}"
    tell(f"training Vidur's predictors for {name}: about a minute, once")
    start = time.monotonic()
    live = sys.stdout.isatty()

    def progress(done: int, steps: int, operator: str) -> None:
        if live:
            print(f"\r  {done}/{steps} {operator:<30}", end="", flush=True)
        elif done % 6 == 0:
            tell(f"  {done}/{steps} {operator}")

    try:
        predictors.train(cluster, commit, progress)
    finally:
        if live:
            print("\r" + " " * 40 + "\r", end="")
    tell(f"Vidur's predictors for {name} are trained ({time.monotonic() - start:.0f} s)")
