"""GEPA as a run's agent: ``with_gepa.py INITIAL_PROGRAM MODEL_URL``, under GEPA's own Python.

The one text that it evolves is the program. Its one example is the problem itself, so that each
metric call is one evaluation of the run; a program that it asks for again is not measured again.
"""

import os
import sys
from pathlib import Path

import gepa
from openai import OpenAI

from openglia.client import Score, score

PROGRAM = "program"
PROMPT = """Here is a program:
```
<curr_param>
```
A harness measured it:
<side_info>
Write a better one, whole, within ``` blocks. The task was:

"""


class Measured(gepa.GEPAAdapter):
    """A program's score is how many times as good it is as the run's yardstick; 0 if it fails."""

    def __init__(self) -> None:
        self.scores: dict[str, Score] = {}

    def evaluate(self, batch, candidate, capture_traces=False):
        source = candidate[PROGRAM]
        if source not in self.scores:
            self.scores[source] = score(source)
        found = self.scores[source]
        return gepa.EvaluationBatch(
            outputs=[found] * len(batch),
            scores=[found.gain or 0.0] * len(batch),
            trajectories=[found] * len(batch) if capture_traces else None,
        )

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        (found,) = eval_batch.trajectories
        value = f"{found.objective}: {found.value} {found.unit}" if found.ok else found.reason
        return {PROGRAM: [{"Feedback": value}]}

    def used_up(self, state: object) -> bool:
        return any(found.evaluations_left == 0 for found in self.scores.values())


def main(initial: str, url: str) -> None:
    client = OpenAI(base_url=url, timeout=600)

    def model(prompt: str) -> str:
        answer = client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": prompt}]
        )
        return answer.choices[0].message.content or ""

    adapter = Measured()
    found = gepa.optimize(
        seed_candidate={PROGRAM: Path(initial).read_text()},
        trainset=["the problem"],
        valset=["the problem"],
        adapter=adapter,
        reflection_lm=model,
        reflection_minibatch_size=1,
        reflection_prompt_template=PROMPT + Path(os.environ["OPENGLIA_TASK"]).read_text(),
        skip_perfect_score=False,  # 1.0 is as good as the yardstick, and no limit
        stop_callbacks=adapter.used_up,
    )
    best = found.val_aggregate_scores[found.best_idx]
    print(f"GEPA measured {len(adapter.scores)} programs; the best is {best:.3f} times as good.")


if __name__ == "__main__":
    main(*sys.argv[1:])
