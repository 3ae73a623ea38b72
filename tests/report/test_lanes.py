"""What a report says of several contexts and generations."""

import json

import pytest

from openglia.files import sha256
from openglia.report import data, lanes
from tests.toy.toy import Shown

SOURCES = {
    # number: (context, generation, score, text)
    1: (1, 1, 5.0, "a\nb\nc\nd"),
    2: (2, 1, 6.0, "p\nq\nr\ns"),
    3: (1, 1, 7.0, "a\nb\nc\nD"),
    4: (2, 1, 4.0, "p\nq\nr\nS"),
    5: (1, 2, None, "x\ny"),
    6: (1, 2, 9.0, "a\nB\nc\nD"),
}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run_20260101_000000"
    (folder / "candidates").mkdir(parents=True)
    lines = []
    for number, (context, generation, value, text) in SOURCES.items():
        name = f"candidates/{number:04d}_{sha256(text)[:8]}.json"
        (folder / name).write_text(text)
        result = {"status": "ok", "value": value} if value else {"status": "failed", "rule": "x"}
        lines.append({"number": number, "candidate": name, "full": value is not None,
                      "result": result, "context": context, "generation": generation})  # fmt: skip
        stage = folder / "contexts" / str(context) / f"generation_{generation}"
        stage.mkdir(parents=True, exist_ok=True)
        (stage / "digest.md").write_text(f"of {context} {generation}")
        (stage / "researcher.md").write_text("## Researcher\n\nsaid\n")
    (folder / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "results.json").write_text(json.dumps({"contexts": 2, "generations": 2}))
    return data.read(folder, Shown())


def test_each_context_has_a_lane_and_each_generation_its_digest_and_conversation(run):
    plot = lanes.plot(run)
    assert plot.alt == "context 1: 9.00 m; context 2: 6.00 m"
    names = ["context 1, generation 1", "context 1, generation 2", "context 2, generation 1"]
    assert [name for name, _ in lanes.stages(run)] == names
    assert [(one.title, one.text) for one in lanes.digests(run)] == [
        (f"The digest of {name}", f"of {text}")
        for name, text in zip(names, ("1 1", "1 2", "2 1"), strict=True)
    ]
    assert [talk.agent for talk in lanes.conversations(run)] == [
        f"Researcher of {n}" for n in names
    ]


def test_the_lineage_goes_back_within_the_context_to_what_is_most_alike(run):
    steps = lanes.lineage(run)
    assert [step.entry.number for step in steps] == [6, 3, 1]
    assert [line for line in steps[0].difference.splitlines() if line[0] in "+-"][2:] == [
        "-b",
        "+B",
    ]
    assert steps[-1].parent is None


def test_a_run_with_one_context_has_none_of_it(run, tmp_path):
    single = tmp_path / "run_2"
    single.mkdir()
    (single / "results.json").write_text("{}")
    found = data.read(single, Shown())
    assert lanes.plot(found) is None
    assert (lanes.stages(found), lanes.digests(found), lanes.lineage(found)) == ([], [], [])
