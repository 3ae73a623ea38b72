"""Scores a program: OpenGLIA calls evaluate() in a process of its own, without a network.

It gets the path of a program and returns a mapping; the number that decides is named in
openglia.yaml. Raise, or return {"error": "why"}, where there is no score. ``split`` is there since
openglia.yaml names splits: agents are scored on the first, the verification uses the second.
"""

import importlib.util
import random
from dataclasses import dataclass

SEEDS = {"train": range(5), "test": range(100, 105)}
JOBS = 1500
LOAD = 0.85


@dataclass(frozen=True)
class Job:
    arrived_at: float
    size: float
    weight: float


def evaluate(program_path, split="train"):
    """The mean weighted delay over the split's seeds."""
    spec = importlib.util.spec_from_file_location("program", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    delays = [_simulate(program.priority, seed) for seed in SEEDS[split]]
    return {"weighted_delay": sum(delays) / len(delays), "per_seed": delays}


def evaluate_stage1(program_path):
    """A quick look: one seed."""
    spec = importlib.util.spec_from_file_location("program", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return {"weighted_delay": _simulate(program.priority, 0)}


def _simulate(priority, seed):
    draw = random.Random(seed)
    jobs, clock = [], 0.0
    for _ in range(JOBS):
        clock += draw.expovariate(LOAD)
        jobs.append(Job(clock, draw.lognormvariate(-0.5, 1.0), draw.choice((1.0, 2.0, 8.0))))
    waiting, now, total, next_job = [], 0.0, 0.0, 0
    while next_job < JOBS or waiting:
        if not waiting:
            now = max(now, jobs[next_job].arrived_at)
        while next_job < JOBS and jobs[next_job].arrived_at <= now:
            waiting.append(jobs[next_job])
            next_job += 1
        chosen = min(waiting, key=lambda job: priority(job, now))
        waiting.remove(chosen)
        total += chosen.weight * (now - chosen.arrived_at)
        now += chosen.size
    return total / JOBS
