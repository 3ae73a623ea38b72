"""A builder of run folders: made-up figures, drawn by a seed, that agree with each other."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from openglia.presenting.presentation import RunData
from openglia.problems.routing.hooks import Hook
from openglia.problems.routing.presentation.measured import NotMeasured

SEEDS = list(range(10))
HELD_OUT = list(range(100, 110))
MEANS = {"random": 74.0, "round_robin": 63.0, "lor": 56.0, "llq": 54.6, "stub": 74.2, "final": 25.1}

SCHEDULER = '''"""Shortest prompt first, with head-room. <script>alert("code")</script>"""

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

HEADROOM = 0.25  # share of the blocks that stays free


class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self) -> list[tuple[int, Request]]:
        self._request_queue.sort(key=lambda request: (request.num_prefill_tokens, request.id))
        placements = []
        for replica in self._replica_schedulers.values():
            usable = (1 - HEADROOM) * replica._config.num_blocks
            if self._request_queue and replica.num_allocated_blocks < usable:
                placements.append((replica.replica_id, self._request_queue.pop(0)))
        return placements
'''


def evaluation(rng: random.Random, mean: float, seeds: list[int]) -> dict[str, Any]:
    """The JSON line of a clean evaluation whose parts agree."""
    values = [mean * rng.uniform(0.85, 1.15) for _ in seeds]
    centre = sum(values) / len(values)
    return {
        "status": "ok", "scheduler": f"{rng.getrandbits(48):012x}", "benchmark": "paper",
        "benchmark_hash": "0123456789ab", "simulator": "embedded",
        "execution_times": "analytic:ab12cd34ef56", "seeds": seeds, "full": True,
        "mean_response_time": centre, "interval": [0.96 * centre, 1.04 * centre],
        "per_seed": values, "p50": 0.6 * centre, "p90": 2.1 * centre, "p99": 4 * centre,
        "ttft_mean": 0.4 * centre, "ttft_p99": 3 * centre, "tpot_mean": 0.051,
        "queue_time_mean": 0.3 * centre, "restarted_share": 0.0812, "kv_use_mean": 0.83,
        "ratio_to_llq": centre / MEANS["llq"], "router_ms_mean": 0.11, "wall_seconds": 4.2,
    }  # fmt: skip


def records(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """A search that gets better, with failed and narrowed evaluations among the full ones."""
    found = []
    for number in range(1, count + 1):
        record: dict[str, Any] = {
            "number": number, "time": "2026-01-08T14:30:22Z", "elapsed_seconds": 6.5 * number,
            "candidate": f"candidates/{number:04d}_{rng.getrandbits(32):08x}.py",
            "request": {"benchmark": None, "seeds": None, "duration": None},
        }  # fmt: skip
        if number % 11 == 7:
            record |= {
                "full": False,
                "result": {
                    "status": "failed", "rule": "exception", "seeds": [0], "benchmark": "paper",
                    "reason": "AttributeError: 'NoneType' object has no attribute 'replica_id' <b>",
                },
            }  # fmt: skip
        elif number % 7 == 3:
            record |= {"full": False, "result": evaluation(rng, rng.uniform(20, 60), [0, 1])}
        else:
            mean = MEANS["final"] + 50 * rng.random() ** 2 * 0.97**number + 40 * (number == 1)
            record |= {"full": True, "result": evaluation(rng, mean, SEEDS)}
        found.append(record)
    return found


def results(rng: random.Random, recorded: list[dict[str, Any]]) -> dict[str, Any]:
    """results.json of a completed run."""
    both = {
        name: {
            "evaluation": evaluation(rng, mean, SEEDS),
            "held_out": evaluation(rng, 1.02 * mean, HELD_OUT),
        }
        for name, mean in MEANS.items()
    }
    stub, final = both.pop("stub"), both.pop("final")
    gains = {
        group: 1 - final[group]["mean_response_time"] / both["llq"][group]["mean_response_time"]
        for group in ("evaluation", "held_out")
    }
    failed = sum(record["result"]["status"] == "failed" for record in recorded)
    return {
        "openglia": "0.1.0", "run_id": "20260108_143022", "status": "completed", "reason": None,
        "started": "2026-01-08T14:30:22Z", "ended": "2026-01-08T14:38:06Z",
        "elapsed_seconds": 464.0, "model": "offline", "seed": 0,
        "limits": {"max_refinements": 5, "max_evaluations": 200, "time_limit": 14400.0},
        "usage": {
            "researcher": {"calls": 61, "input_tokens": 1_204_411, "output_tokens": 80_122,
                           "cached_tokens": 900_000},
            "supervisor": {"calls": 6, "input_tokens": 90_404, "output_tokens": 5_118,
                           "cached_tokens": 0},
        },
        "benchmark": {"name": "paper", "hash": "0123456789ab", "seeds": SEEDS,
                      "held_out_seeds": HELD_OUT,
                      "definition": {"duration": 1000.0, "cluster": {"replicas": 4}}},
        "simulator": "embedded", "execution_times": "analytic:ab12cd34ef56",
        "vidur": {"installed": False, "commit": None, "overrides_sha256": "9f" * 32},
        "baselines": both, "stub": stub,
        "final": {"candidate": recorded[-1]["candidate"], "number": len(recorded),
                  "sha256": "ab" * 32, **final},
        "verification": {
            "seeds": HELD_OUT, "simulator": "embedded", "gain_evaluation": gains["evaluation"],
            "gain_held_out": gains["held_out"], "overfitting": False, "no_gain": False,
            "deterministic": True, "agreement": None,
        },
        "transfer": {"seconds": 11.2, "allowed": 40.0, "left_out": ["random"], "settings": [
            {"name": "paper-tight", "hash": "1" * 12, "cases": HELD_OUT[:2], "held_out": 10,
             "values": {"final": [20.0, 30.0], "llq": [60.0, 70.0], "lor": [60.0, 80.0]},
             "measure": "ratio", "value": 0.378, "interval": [0.33, 0.43], "outcome": "holds"},
            {"name": "stale-signals", "hash": "2" * 12, "cases": HELD_OUT[:1], "held_out": 10,
             "values": {"final": [75.0], "llq": [60.0]},
             "measure": "ratio", "value": 1.25, "interval": None, "outcome": "turns"},
            {"name": "unequal", "hash": "3" * 12, "held_out": 10, "reason": "no time was left"},
        ]},
        "integrity": {"ok": True, "checks": [
            {"name": "held-out seeds unseen", "outcome": "passed",
             "evidence": "no request for seeds 100-109 in 60 evaluations"},
            {"name": "simulator unchanged", "outcome": "passed", "evidence": "sha256 12ab34cd"},
            {"name": "agreement with Vidur", "outcome": "skipped", "evidence": "no checkout"},
        ]},
        "evaluations": {"total": len(recorded), "clean": len(recorded) - failed, "failed": failed,
                        "full": sum(record["full"] for record in recorded)},
        "versions": {"python": "3.12.4", "numpy": "2.5.5", "fast-agent-mcp": "0.10.46"},
        "timings": {"discovery_seconds": 410.2, "verification_seconds": 38.1},
        "warnings": [], "outcome": {"status": "completed", "reason": None},
        "sandbox": {"name": "bubblewrap", "why": "it works here", "gaps": []},
    }  # fmt: skip


def history(turns: int) -> dict[str, Any]:
    """A conversation in fast-agent's format, with a hostile tool output."""
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "# Problem\n\nRoute requests." * 90}]}
    ]
    for turn in range(turns):
        command = f"cd environment/vidur && ./run_all.sh --seeds 0-2 --json  # attempt {turn} " * 3
        messages += [
            {
                "role": "assistant",
                "content": [{"type": "text", "text": (
                    f"## Attempt {turn}\n\nLLQ ignores **memory**. I hold requests back:\n\n"
                    "```python\nusable = (1 - margin) * replica._config.num_blocks  # " + "x" * 90
                    + "\n```\n\n| margin | mean (s) |\n|---|---|\n| 0.03 | 25.1 |\n\n"
                    "<script>alert('said')</script> ![beacon](http://example.com/x.png) "
                    "[link](javascript:alert(1))"
                )}],
                "tool_calls": {"id1": {"method": "tools/call", "params": {
                    "name": "bash", "arguments": {"command": command}}}},
            },
            {
                "role": "user", "content": [],
                "tool_results": {"id1": {"isError": turn % 5 == 4, "content": [{
                    "type": "text",
                    "text": f"turn {turn}: 24.{turn} s\n</pre><script>alert('output')</script>"}]}},
            },
        ]  # fmt: skip
    messages.append({"role": "assistant", "content": [{"type": "text", "text": "Done."}]})
    return {"messages": messages}


def measured(rng: random.Random, key: dict[str, Any]) -> dict[str, Any]:
    """plots/measured.json: what simulating one seed again gives."""

    def router(mean: float, held: float) -> dict[str, Any]:
        times = sorted(rng.lognormvariate(0, 1.1) * mean / 1.8 for _ in range(401))
        steps = range(250)
        use = [min(1.0, 0.02 * step) * rng.uniform(0.8, 0.97) for step in steps]
        return {
            "requests": 7512, "mean": mean, "quantiles": times,
            "series": {
                "time": [4.2 * step for step in steps], "kv_mean": use,
                "kv_min": [0.9 * value for value in use], "kv_max": [min(1, 1.03 * v) for v in use],
                "router_queue": [held * rng.uniform(0, 60) for _ in steps],
                "replica_queue": [(1 - held) * rng.uniform(0, 200) for _ in steps],
            },
        }  # fmt: skip

    return {"key": key, "seed": 0, "routers": {"llq": router(54, 0), "final": router(25, 0.9)}}


class Folder:
    """Makes run folders below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self, name: str = "run_20260108_143022", *, seed: int = 1, count: int = 60) -> Path:
        """A whole run folder."""
        rng = random.Random(seed)
        folder = self.root / name
        (folder / "candidates").mkdir(parents=True)
        recorded = records(rng, count)
        lines = "".join(json.dumps(record) + "\n" for record in recorded)
        (folder / "evaluations.jsonl").write_text(lines)
        value = results(rng, recorded) | {"run_id": name.removeprefix("run_")}
        (folder / "results.json").write_text(json.dumps(value))
        (folder / "final_scheduler.py").write_text(SCHEDULER)
        (folder / "solution.md").write_text(
            "# Solution\n\nHolding requests back keeps memory free.\n\n"
            "<img src=x onerror=alert(1)>\n\n## Measured\n\n" + "| a | b |\n|---|---|\n| 1 | 2 |\n"
        )
        (folder / "researcher.json").write_text(json.dumps(history(6)))
        (folder / "supervisor.md").write_text("---USER\nAssess.\n---ASSISTANT\nRated GOOD.")
        return folder

    def change(self, folder: Path, **values: Any) -> None:
        """Overwrite top-level values in results.json."""
        path = folder / "results.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    def begun(self, folder: Path) -> Path:
        """The same folder before its run has ended."""
        for name in ("final_scheduler.py", "solution.md"):
            (folder / name).unlink()
        self.change(folder, status="running", final=None, verification=None, integrity=None,
                    outcome=None, ended=None)  # fmt: skip
        for record in map(json.loads, (folder / "evaluations.jsonl").read_text().splitlines()):
            (folder / record["candidate"]).write_text(f"# candidate {record['number']}\n")
        return folder


@pytest.fixture
def folders(tmp_path: Path) -> Folder:
    """A maker of run folders."""
    return Folder(tmp_path)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for simulating one seed again, which other tests cover."""

    def measure(run: RunData, hook: Hook) -> dict[str, Any]:
        if run.final_source is None:
            raise NotMeasured("there is no final_scheduler.py")
        return measured(random.Random(2), {})

    monkeypatch.setattr("openglia.problems.routing.presentation.measured.measure", measure)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing out, which costs seconds, where a test is not about plots."""
    monkeypatch.setattr("openglia.report.rendering.inline_svg", lambda plot: "")
    monkeypatch.setattr("openglia.report.png", lambda plot: b"\x89PNG")


@pytest.fixture
def output_dir(tmp_path: Path) -> Path:
    """A simulation's output for seed 0: two replicas, one held request."""
    seed = tmp_path / "out" / "seed_0"
    seed.mkdir(parents=True)
    (seed / "request_metrics.csv").write_text(
        "Request Id,request_e2e_time\n" + "".join(f"{i},{i + 0.5}\n" for i in range(101))
    )
    with gzip.open(seed / "replica_metrics.csv.gz", "wt") as stream:
        stream.write(
            "time,replica_id,num_allocated_blocks,memory_usage_percent,num_active_requests,"
            "num_pending_requests\n"
            "0.0,0,10,10,1,0\n0.0,1,30,30,1,2\n0.0,-1,0,0,0,3\n"
            "5.0,0,50,50,1,0\n5.0,1,100,100,1,4\n5.0,-1,0,0,0,1\n"
        )
    return seed
