"""What contexts side by side save: ``python tests/performance/contexts.py``.

One offline run with several contexts, and the runs of one context each that do the same one after
the other: the same seeds, the same shares, nothing from the cache. That both ask for the same
candidates is looked at. Wall times, so run nothing else meanwhile: a ratio within one run of this
script, of the discovery alone and of the whole runs. The cores busy are the whole machine's, as
Linux counts them: those that a run's processes tell of leave out what a sandbox's first process
has reaped.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from openglia.files import read_json_lines  # noqa: E402
from openglia.measuring.processes import available_cores  # noqa: E402
from openglia.runs.contexts import Stage  # noqa: E402
from openglia.runs.folder import existing  # noqa: E402
from openglia.runs.results import load  # noqa: E402


@dataclass
class Run:
    """One that is done; seconds."""

    wall: float
    processor: float
    discovery: float
    candidates: dict[int | None, list[str]]  # by context, in order


def run(words: list[str], log: Path) -> Run:
    """Conduct a run of the built-in researcher in a process of its own."""
    link = log.with_suffix(".run")
    command = [sys.executable, "-P", "-m", "openglia", "run", "--quiet", "--model", "offline"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before, begun = busy(), time.perf_counter()
    with log.open("wb") as stream:
        status = subprocess.run(
            [*command, "--no-cache", "--transfer", "none", "--link", str(link), *words],
            env=environment, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL,
        ).returncode  # fmt: skip
    wall, processor = time.perf_counter() - begun, busy() - before
    assert status == 0, log.read_text()
    folder = existing(link.resolve())
    candidates = defaultdict(list)
    for line in read_json_lines(folder.evaluations):
        candidates[line.get("context")].append(line["result"]["scheduler"])
    return Run(wall, processor, load(folder).timings["discovery"], candidates)


def busy() -> float:
    """Seconds that the machine's cores have worked since it began, all together."""
    user, nice, system, _, _, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contexts", type=int, default=4)
    parser.add_argument("--evaluations", type=int, default=50, help="of each context")
    parser.add_argument("--benchmark", default="paper")
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    number, share = arguments.contexts, arguments.evaluations
    every = ["--benchmark", arguments.benchmark]
    what = f"{number} contexts x {share} evaluations"
    print(f"{arguments.benchmark}, {what}, {available_cores()} cores", flush=True)
    for repeat in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as name:
            logs = Path(name)
            words = ["--contexts", str(number), "--max-evaluations", str(number * share)]
            together = run([*every, *words, "--seed", str(repeat)], logs / "together")
            told("side by side", [together])
            alone = []
            for context in range(1, number + 1):
                seed = Stage(existing((logs / "together.run").resolve()), context, 1, 1).seed(
                    repeat
                )
                words = ["--max-evaluations", str(share), "--seed", str(seed)]
                alone.append(run([*every, *words], logs / f"alone_{context}"))
                same = alone[-1].candidates[None] == together.candidates[context]
                print(f"    context {context}: {'the same' if same else 'OTHER'} candidates alone")
            told("one after the other", alone)
        for what in ("discovery", "wall"):
            ratio = getattr(together, what) / sum(getattr(one, what) for one in alone)
            print(f"  ratio, {'whole runs' if what == 'wall' else what}: {ratio:.3f}", flush=True)


def told(label: str, runs: list[Run]) -> None:
    discovery, wall, used = (
        sum(getattr(one, name) for one in runs) for name in ("discovery", "wall", "processor")
    )
    print(
        f"  {label:20} discovery {discovery:7.1f} s, whole {wall:7.1f} s, "
        f"{used / wall:.2f} cores busy",
        flush=True,
    )


if __name__ == "__main__":
    main()
