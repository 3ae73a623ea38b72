"""Two optimizers from the package index as agents of real runs, a stand-in for their model.

``head_to_head.py ENVIRONMENTS`` under the project's own Python, by ``tests/peers/run.sh``: each
environment is a folder named after the optimizer that is installed in it. The status is 0 if each
of the two spent the evaluations, and left a verified router behind.
"""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from openglia.paths import ROOT
from tests.agents.stand_in import Reply, StandIn, say

EVALUATIONS = 20
SCORE = "mean_response_time"  # s
BLOCK = re.compile(r"# EVOLVE-BLOCK-START\n(.*?)\n# EVOLVE-BLOCK-END", re.DOTALL)
ROUTER = """\
from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

BLOCKS = {blocks}  # what an allocated KV-cache block weighs, in waiting requests
TOKENS = {tokens}  # what a token of a prompt weighs


class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self) -> list[tuple[int, Request]]:
        self.sort_requests()
        load = {{
            replica_id: replica.num_pending_requests + BLOCKS * replica.num_allocated_blocks
            for replica_id, replica in self._replica_schedulers.items()
        }}
        placements = []
        while self._request_queue:
            request = self._request_queue.pop(0)
            replica_id = min(load, key=load.get)
            load[replica_id] += 1 + TOKENS * request.num_prefill_tokens
            placements.append((replica_id, request))
        return placements"""


def model():
    """Answers as a model would: a program with other constants each time, whole or as a diff."""
    constants = itertools.product((0.0, 0.001, 0.01, 0.1, 1.0), (0.0, 0.0002, 0.001, 0.005, 0.02))

    def answer(body: str) -> Reply:
        prompt = json.loads(body)["messages"][-1]["content"]
        blocks, tokens = next(constants)
        program = ROUTER.format(blocks=blocks, tokens=tokens)
        if "<<<<<<< SEARCH" in prompt:
            known = BLOCK.findall(prompt)[-1]  # after those of earlier programs, the current one
            return say(
                f"Other weights.\n\n<<<<<<< SEARCH\n{known}\n=======\n{program}\n>>>>>>> REPLACE"
            )
        return say(f"Other weights.\n\n```python\n{program}\n```")

    return answer


def openevolve(environment: Path, exported: Path, url: str) -> str:
    """As the exported folder's README has it; the first evaluation is the initial program's."""
    config = exported / "config.yaml"
    config.write_text(config.read_text().replace("https://api.openai.com/v1", url))
    return (
        f"{environment}/bin/openevolve-run {exported}/initial_program.py {exported}/evaluator.py "
        f"--config {config} --iterations {EVALUATIONS - 1} "
        f'--output "$OPENGLIA_SCRATCH_DIR/optimizer"'
    )


def gepa(environment: Path, exported: Path, url: str) -> str:
    """By a driver such as a user of the library writes."""
    return f"{environment}/bin/python tests/peers/with_gepa.py {exported}/initial_program.py {url}"


def one(name: str, command: str, environment: Path) -> list[str]:
    """A run with this agent; what is wrong with it."""
    before = set((ROOT / "generated").glob("run_*"))
    began = time.monotonic()
    words = ["./run.sh", "--agent", command, "--agent-network", "--agent-read", str(environment)]
    words += ["--agent-env", "OPENAI_API_KEY", "--no-supervisor", "--quiet"]
    words += ["--benchmark", "smoke", "--max-evaluations", str(EVALUATIONS)]
    status = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "OPENAI_API_KEY": "stand-in"}, check=False
    ).returncode
    made = sorted(set((ROOT / "generated").glob("run_*")) - before)
    if status or not made:
        return [f"./run.sh ended with status {status}"]
    folder = made[-1]
    results = json.loads((folder / "results.json").read_text())
    lines = (folder / "evaluations.jsonl").read_text().splitlines()
    records = [json.loads(line)["result"] for line in lines]
    good = [record[SCORE] for record in records if record["status"] == "ok"]
    held_out = ((results["final"] or {}).get("held_out") or {}).get(SCORE)
    print(f"{name}: {len(records)} evaluations, {len(good)} of them well, "
          f"best {min(good, default=0):.4f} s, held out {held_out} s, "
          f"{time.monotonic() - began:.0f} s in all: {folder}")  # fmt: skip
    wrong = {
        f"{len(records)} evaluations on record, not {EVALUATIONS}": len(records) != EVALUATIONS,
        f"{len(set(good))} different scores: it did not search": len(set(good)) < 3,
        "no final router": not results["final"],
        "the final router was not measured on held-out seeds": not held_out,
        "the integrity checks failed": not results["integrity"]["ok"],
        "results.json does not name the agent": (results["agent"] or {}).get("command") != command,
    }
    return [words for words, so in wrong.items() if so]


def main(environments: Path) -> int:
    """Both, one after the other."""
    exported = environments / "exported"
    shutil.rmtree(exported, ignore_errors=True)
    words = ["export", "openevolve", str(exported), "--benchmark", "smoke"]
    subprocess.run([sys.executable, "-P", "-m", "openglia", *words], cwd=ROOT, check=True)
    failed = 0
    for peer in (openevolve, gepa):
        environment = environments / peer.__name__
        with StandIn(model()) as stand_in:
            url = f"http://127.0.0.1:{stand_in.port}/v1"
            for wrong in one(peer.__name__, peer(environment, exported, url), environment):
                print(f"{peer.__name__}: FAILED: {wrong}", file=sys.stderr)
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
