"""What agents do just now is in the run's folder while they do it, and whether the run lives."""

import json
import subprocess
import sys
from itertools import pairwise

from conftest import PLANTED_KEY
from stand_in import StandIn, fail, run, say, verdict

from openglia.discovery.activity import FILE, Activity, alive, is_alive
from openglia.discovery.redaction import Redactor
from openglia.files import read_json_lines
from openglia.paths import ROOT

POOR = verdict("POOR", "What did you measure?", needs_improvement=True)


def noted(lab):
    return [
        (line["doing"], line.get("agent"), line.get("what"))
        for line in read_json_lines(lab.run_dir / FILE)
    ]


def test_each_thing_is_noted_as_it_begins(lab, protocol):
    # The command prints the file: it sees itself noted, and nothing after.
    look = f"cat '{lab.run_dir / FILE}'"
    script = f"\n\n  {look} # {PLANTED_KEY}\necho done\n"
    with StandIn([run(script), say("An account."), say("Another.")], [POOR, verdict()]) as server:
        outcome = lab.discover(server, protocol)

    assert outcome.status == "completed"
    thinks, reads = ("thinks", "researcher", None), ("thinks", "supervisor", None)
    runs = ("runs", "researcher", f"{look} # [redacted]")
    assert noted(lab) == [
        ("began", None, None), thinks, runs, thinks, reads, thinks, reads, ("ended", None, None),
    ]  # fmt: skip
    told = json.loads(lab.read("researcher.json"))["messages"]
    seen = next(m["tool_results"] for m in told if m.get("tool_results"))
    text = json.dumps(seen)
    assert '\\"doing\\": \\"runs\\"' in text and '\\"ended\\"' not in text


def test_a_wait_is_noted_with_its_reason_and_its_length(lab, protocol):
    busy = fail(429, "slow down")
    with StandIn([busy, busy, busy, busy, say("An account.")]) as server:
        assert lab.discover(server, protocol).status == "completed"
    waits = [line for line in read_json_lines(lab.run_dir / FILE) if line["doing"] == "waits"]
    by_sdk = [line for line in waits if line["what"] == "status 429"]
    by_us = [line for line in waits if "slow down" in line["what"]]
    assert len(by_sdk) == 4 and len(by_sdk) + len(by_us) == len(waits)
    assert by_us and all(line["seconds"] > 0 for line in by_us)
    # After a wait, of one or both, comes another call.
    kinds = [kind for kind, *_ in noted(lab)]
    assert {after for kind, after in pairwise(kinds) if kind == "waits"} == {"thinks", "waits"}
    assert kinds[-2:] == ["thinks", "ended"] and kinds.count("waits") > len(by_us)


def test_a_folder_that_is_gone_ends_no_run(tmp_path):
    Activity(tmp_path / "gone", Redactor([])).thinks("researcher")


def test_a_run_lives_as_long_as_its_process(tmp_path):
    assert not is_alive(tmp_path)
    with alive(tmp_path):
        assert is_alive(tmp_path)
    assert not is_alive(tmp_path)
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from openglia.discovery.activity import alive\n"
        "with alive(Path(sys.argv[1])):\n    print('now', flush=True); time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "now\n"
    assert is_alive(tmp_path)
    process.kill()
    process.communicate()
    assert not is_alive(tmp_path)
