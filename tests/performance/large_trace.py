"""What it costs to read a recorded trace of many rows: ``python tests/performance/large_trace.py``.

Writes a file in Azure's form (of 2024: fractional seconds and zones) and reads it in a process of
its own; prints seconds of its processor time, and the memory that is its own at the most.
"""

import argparse
import datetime
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from openglia.problems.routing.benchmark.replay.formats import FORMATS
from openglia.problems.routing.benchmark.replay.reading import read, sha256_of


def write(path: Path, rows: int, *, shuffled: bool) -> None:
    """Twenty requests a second; ``shuffled``: up to five seconds late in the file."""
    chance, seconds = random.Random(1), 10.0
    start = datetime.datetime(2024, 5, 10)
    with path.open("w") as stream:
        stream.write(",".join(FORMATS["azure"].columns) + "\n")
        for _ in range(rows):
            seconds += chance.expovariate(20)
            early = 5 * chance.random() if shuffled else 0.0
            at = start + datetime.timedelta(seconds=seconds - early)
            prompt, output = chance.randrange(1, 4000), chance.randrange(1, 800)
            stream.write(f"{at}+00:00,{prompt},{output}\n")


def measure(path: Path) -> None:
    """Read it and print what that cost."""
    import pandas  # noqa: F401 - loaded beforehand, so that it does not count

    before = used()
    begun = time.process_time()
    sha256_of(path)
    hashed = time.process_time() - begun
    found = read(path, FORMATS["azure"])
    seconds = time.process_time() - begun - hashed
    peak = used()
    print(
        f"{len(found.at):>12,} rows, {found.unsorted:,} out of order, "
        f"{path.stat().st_size / 1e6:,.0f} MB: {hashed:.1f} s to hash, {seconds:.1f} s to read; "
        f"memory {before} MB before, {peak} MB at the most, mapped files included"
    )


def used() -> int:
    """MB of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--shuffled", action="store_true", help="rows out of order")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        measure(arguments.read)
        return
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "azure.csv"
            write(path, rows, shuffled=arguments.shuffled)
            subprocess.run([sys.executable, __file__, "--read", str(path)], check=True)


if __name__ == "__main__":
    main()
