"""Conducts a run whose discovery is a script: ``python scripted.py STEP ...``.

A step such as 2:hang is for context 2 alone; WORDS holds further options, such as --contexts 2.
DRAWN has it draw plots and pages, which take seconds.
Steps: spend=TOKENS, evaluate=CANDIDATE, partial=CASES, other-benchmark, scribble, hang, raise,
failed, limit, digest. The variable PROBLEM chooses toy (the default) or routing.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import plain

from openglia import paths
from openglia.commands import run
from openglia.discovery.digests import HEADINGS
from openglia.discovery.experiment import Outcome, Usage
from openglia.runs.conduct import conduct

ROUTERS = {
    "good": "return [(r.id % self._num_replicas, r) for r in queue]",
    "poor": "return [(0, r) for r in queue]",
    "crash": "raise ValueError('planted')",
    "endless": "while True: pass",
}
POINTS = {"good": [1, -2], "poor": [0, 0], "crash": "planted", "endless": "endless"}
TOY = os.environ.get("PROBLEM", "toy") == "toy"


def source(name: str) -> str:
    if TOY:
        return json.dumps(POINTS[name])
    return (
        "from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler\n\n"
        "class AIGlobalScheduler(BaseGlobalScheduler):\n"
        "    def schedule(self):\n"
        "        queue, self._request_queue = list(self._request_queue), []\n"
        f"        {ROUTERS[name]}\n"
    )


WORKING = paths.ROOT / "toy" / "point.json" if TOY else paths.WORKING_SCHEDULER


async def command(experiment, *words, working=WORKING):
    """What the agent's shell does: the problem's command with the run's variables."""
    argv = [str(paths.VIDUR / "run_all.sh")]
    if TOY:
        argv = [".venv/bin/python", "-m", "openglia", "score", str(working)]
    process = await asyncio.create_subprocess_exec(
        *argv, "--json", *words,
        env={**experiment.environment, "PATH": os.environ["PATH"], "PYTHONPATH": str(paths.ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    output, _ = await process.communicate()
    print(f"> {output.decode().strip()}", flush=True)


async def discover(experiment) -> Outcome:
    print(f"used {experiment.used}", flush=True)
    usage = {"researcher": Usage(calls=1, input_tokens=10, output_tokens=5)}
    account, digest = "I tried **things**.", None
    if experiment.inherited is not None:
        print(f"inherited {experiment.inherited}", flush=True)
    for step in sys.argv[1:]:
        whose, _, step = step.rpartition(":")
        if whose not in ("", str(experiment.context)):
            continue
        verb, _, value = step.partition("=")
        print(f"step {step}", flush=True)
        if verb == "evaluate":
            working = Path(experiment.environment["OPENGLIA_WORKING_FILE"])
            working.write_text(source(value))
            await command(experiment, working=working)
        elif verb == "partial":
            await command(experiment, "--cases" if TOY else "--seeds", value)
        elif verb == "spend":
            experiment.spent({"researcher": Usage(calls=1, output_tokens=int(value))}, 2)
        elif verb == "other-benchmark":
            await command(experiment, "--benchmark", "paper")
        elif verb == "hang":
            await asyncio.sleep(600)
        elif verb == "scribble":
            WORKING.write_text("this is not Python")
        elif verb == "digest":
            digest = "\n\n".join(f"{heading}\n\n{experiment.context}" for heading in HEADINGS)
        elif verb == "raise":
            raise RuntimeError("planted bug")
        elif verb in ("failed", "limit"):
            return Outcome(status=verb, reason=f"planted {verb}", account=account, usage=usage)
    print(experiment.record.summary_for_supervisor(), flush=True)
    return Outcome(
        status="completed", reason=None, account=account, usage=usage, rounds=1, digest=digest
    )


if __name__ == "__main__":
    resume = os.environ.get("RESUME")
    parser = argparse.ArgumentParser()
    run.configure(parser)
    words = ["--model", "offline", "--sandbox", "none"]
    words += ["--max-evaluations", os.environ.get("BUDGET", "20")]
    words += os.environ.get("WORDS", "").split()
    if resume:
        words += ["--resume", resume]
    elif TOY:
        words += ["--problem", "toy"]
    else:
        words += ["--benchmark", os.environ.get("BENCHMARK", "tiny")]
    options = run.options(parser.parse_args(words))
    if not os.environ.get("DRAWN"):
        plain.leave_out()
    sys.exit(conduct(options, lambda line: print(line, flush=True), discover))
