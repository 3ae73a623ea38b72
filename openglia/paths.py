"""Where things lie in the experiment's folder."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What Python's path must hold to import the package: behind a fence it may be a folder of links.
IMPORTED_FROM = Path(__file__).absolute().parent.parent

PROBLEM = ROOT / "problem.md"
GENERATED = ROOT / "generated"

ENVIRONMENT = ROOT / "environment"
STUB = ENVIRONMENT / "stubs" / "ai_global_scheduler_stub.py"
OVERRIDES = ENVIRONMENT / "vidur_overrides"
BENCHMARKS = ENVIRONMENT / "benchmarks"

# Derived files that can be made again: traces, execution-time tables, predictors, baselines.
CACHE = ENVIRONMENT / "cache"

# The simulator's checkout. Without Vidur it holds only the scripts and the working scheduler, so
# that the agent's paths and commands are the same with either simulator.
VIDUR = ENVIRONMENT / "vidur"
WORKING_SCHEDULER = VIDUR / "vidur" / "scheduler" / "global_scheduler" / "ai_global_scheduler.py"
SIMULATOR_RESULTS = VIDUR / "simulator_results"


def shown(path: Path) -> Path:
    """The path as one types it in the experiment's folder; in full if it lies elsewhere."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
