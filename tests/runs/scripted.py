"""Conducts a run whose discovery is a script: ``python scripted.py STEP ...``.

Steps: spend=TOKENS, evaluate=POLICY, partial=SEEDS, other-benchmark, scribble, hang, raise,
failed, limit.
"""

import argparse
import asyncio
import os
import subprocess
import sys

from openglia import paths
from openglia.commands import run
from openglia.discovery.experiment import Outcome, Usage
from openglia.runs.conduct import conduct

ROUTERS = {
    "spread": "return [(r.id % self._num_replicas, r) for r in queue]",
    "one": "return [(0, r) for r in queue]",
    "crash": "raise ValueError('planted')",
    "endless": "while True: pass",
}


def source(policy: str) -> str:
    return (
        "from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler\n\n"
        "class AIGlobalScheduler(BaseGlobalScheduler):\n"
        "    def schedule(self):\n"
        "        queue, self._request_queue = list(self._request_queue), []\n"
        f"        {ROUTERS[policy]}\n"
    )


async def command(experiment, *words):
    """What the agent's shell does: run_all.sh with the run's variables."""
    script = experiment.root / "environment" / "vidur" / "run_all.sh"
    process = await asyncio.create_subprocess_exec(
        str(script), "--json", *words,
        env={**experiment.environment, "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    output, _ = await process.communicate()
    print(f"> {output.decode().strip()}", flush=True)


async def discover(experiment) -> Outcome:
    print(f"used {experiment.used}", flush=True)
    usage = {"researcher": Usage(calls=1, input_tokens=10, output_tokens=5)}
    account = "I tried **things**."
    for step in sys.argv[1:]:
        verb, _, value = step.partition("=")
        print(f"step {step}", flush=True)
        if verb == "evaluate":
            paths.WORKING_SCHEDULER.write_text(source(value))
            await command(experiment)
        elif verb == "partial":
            await command(experiment, "--seeds", value)
        elif verb == "spend":
            experiment.spent({"researcher": Usage(calls=1, output_tokens=int(value))}, 2)
        elif verb == "other-benchmark":
            await command(experiment, "--benchmark", "paper")
        elif verb == "hang":
            await asyncio.sleep(600)
        elif verb == "scribble":
            paths.WORKING_SCHEDULER.write_text("this is not Python")
        elif verb == "raise":
            raise RuntimeError("planted bug")
        elif verb in ("failed", "limit"):
            return Outcome(status=verb, reason=f"planted {verb}", account=account, usage=usage)
    print(experiment.record.summary_for_supervisor(), flush=True)
    return Outcome(status="completed", reason=None, account=account, usage=usage)


if __name__ == "__main__":
    resume = os.environ.get("RESUME")
    parser = argparse.ArgumentParser()
    run.configure(parser)
    words = ["--model", "offline", "--sandbox", "none"]
    words += ["--max-evaluations", os.environ.get("BUDGET", "20")]
    words += (
        ["--resume", resume] if resume else ["--benchmark", os.environ.get("BENCHMARK", "tiny")]
    )
    options = run.options(parser.parse_args(words))
    sys.exit(conduct(options, lambda line: print(line, flush=True), discover))
