"""What isolation costs, on `paper`: ``python tests/performance/isolation.py``.

With ``--problem scheduling`` it is about the schedulers of the replicas.

Each router is measured beside the engine and in a process of its own, in turn, as a verification
does both. Wall times, so run nothing else meanwhile; ratios are of neighbouring runs, medians with
the extremes over repeats. The results are compared, too.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from openglia import paths  # noqa: E402
from openglia.problems.routing.benchmark.loading import load_benchmark  # noqa: E402
from openglia.problems.routing.evaluation.measuring import measure  # noqa: E402
from openglia.problems.routing.hooks import (  # noqa: E402
    HOOKS,
    REPLICA_SCHEDULER,
    ROUTER,
    Hook,
    policy_file,
)
from openglia.problems.routing.reference import reproduce  # noqa: E402

FOLDER = Path(reproduce.__file__).parent / "routers"
ROUTERS = ["builtin:llq", str(paths.STUB), *(str(path) for path in sorted(FOLDER.glob("*.py")))]


SCHEDULERS = [
    str(paths.ENVIRONMENT / "stubs" / "ai_replica_scheduler_stub.py"),
    *(str(policy_file(f"builtin:{name}")) for name in REPLICA_SCHEDULER.builtins[1:]),
]


def timed(scheduler: str, seeds: tuple[int, ...], folder: Path, hook: Hook, *, isolated: bool):
    """Wall seconds, the router's milliseconds per call, and the results."""
    benchmark = load_benchmark("paper")
    begun = perf_counter()
    how = {"seeds": seeds, "output_dir": folder, "hook": hook}
    done = measure(scheduler, benchmark, isolated=isolated, **how)
    seconds = perf_counter() - begun
    assert done.ok, done.failure
    results = [(folder / f"seed_{seed}" / "requests.bin").read_bytes() for seed in seeds]
    return seconds, done.router_ms_mean, results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--problem", choices=HOOKS, default=ROUTER.name)
    parser.add_argument("--candidates", nargs="*", help="files")
    arguments = parser.parse_args()
    hook = HOOKS[arguments.problem]
    candidates = arguments.candidates or (ROUTERS if hook is ROUTER else SCHEDULERS)
    seeds = load_benchmark("paper").held_out_seeds[: arguments.seeds]
    print(f"paper, {len(seeds)} held-out seeds, {arguments.repeats} repeats")
    for scheduler in candidates:
        pairs = []
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for _ in range(arguments.repeats):
                beside = timed(scheduler, seeds, folder / "beside", hook, isolated=False)
                apart = timed(scheduler, seeds, folder / "apart", hook, isolated=True)
                assert beside[2] == apart[2], "the results differ"
                pairs.append((beside, apart))
        ratios = [apart[0] / beside[0] for beside, apart in pairs]
        alone, isolated = (median(pair[which][0] for pair in pairs) for which in (0, 1))
        calls = [median(pair[which][1] for pair in pairs) for which in (0, 1)]
        print(
            f"  {Path(scheduler).stem:24} {alone:7.2f} s {isolated:7.2f} s   "
            f"{median(ratios):5.2f} x ({min(ratios):.2f} .. {max(ratios):.2f})   "
            f"per call {calls[0]:.3f} and {calls[1]:.3f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
