"""Records results of the real Vidur: ``python tests/simulator/record_vidur.py [scheduling]``.

Needs an installed Vidur (``./setup.sh``). Trains predictors on a small profile of ours (a minute,
kept in ``environment/cache``), runs Vidur on the named cases of ``vidur_cases.py``, and writes
``recordings/``: the tables used, and per case its cluster, trace, router and results. Training is
the same on every machine only as far as scikit-learn is, so record tables and results together.
With ``scheduling`` only the cases of the replicas' schedulers are recorded, on the tables there.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from vidur_cases import (  # noqa: E402
    FIELDS,
    RECORDINGS,
    Case,
    named_cases,
    run_vidur,
    scheduling_cases,
)

from openglia.problems.routing.hardware.tables import Tables  # noqa: E402
from openglia.problems.routing.vidur import checkout, predictors  # noqa: E402

NAMES = {
    "router": ("cases.json", "results.npz"),
    "scheduling": ("scheduling.json", "scheduling.npz"),
}


def main() -> None:
    commit = checkout.PINNED_COMMIT
    RECORDINGS.mkdir(exist_ok=True)
    if sys.argv[1:] == ["scheduling"]:
        cases = scheduling_cases(2026, 3)
        write("scheduling", cases, run_vidur(cases, commit, RECORDINGS / "tables.npz"))
        return
    cases = named_cases()
    predictors.train(cases[0].cluster, commit)
    results = run_vidur(cases, commit)
    tables = Tables.read(predictors.tables(cases[0].cluster))
    np.savez_compressed(RECORDINGS / "tables.npz", **tables.views)
    write("router", cases, results)


def write(what: str, cases: list[Case], results: list[dict]) -> None:
    """Write the cases and their results."""
    names = NAMES[what]
    arrays, index = {}, []
    for case, result in zip(cases, results, strict=True):
        entry = {
            "name": case.name,
            "router": case.router,
            "policy": case.policy,
            "seed": case.seed,
            "cluster": asdict(case.cluster),
            "error": result.get("error"),
            "end_time": result.get("end_time"),
        }
        index.append(entry)
        for name, values in asdict(case.trace).items():
            arrays[f"{case.name}/{name}"] = values
        if "error" in result:
            print(f"{case.name}: {result['error']}")
            continue
        for name in FIELDS:
            arrays[f"{case.name}/{name}"] = np.array(result[name])
        print(f"{case.name}: {len(case.trace)} requests, {sum(result['num_restarts'])} restarts")
    np.savez_compressed(RECORDINGS / names[1], **arrays)
    text = json.dumps({"commit": checkout.PINNED_COMMIT, "cases": index}, indent=1)
    (RECORDINGS / names[0]).write_text(text + "\n")


if __name__ == "__main__":
    main()
