"""The final candidate on other settings: what is measured in which time, and what it shows."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from openglia.cli import main
from openglia.commands.score import FAILED
from openglia.errors import OpenGliaError, UsageError
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.others import FAMILY
from openglia.problems.routing.presentation import PRESENTATION
from openglia.problems.routing.problem import Routing
from openglia.problems.routing.simulators import find
from openglia.report import transferred
from openglia.runs import transfer
from openglia.runs.transferred import Setting, Transfer
from tests.runs.conftest import TINY
from tests.toy.toy import Toy


class Hill(Toy):
    """The toy with seven held-out cases; a case takes a second of the clock."""

    held_out_cases = tuple(range(50, 57))

    def __init__(self, name, clock=None):
        self.name, self.clock = name, clock

    def measure_baseline(self, name, look):
        if self.clock is not None:
            self.clock.now += len(look.cases)
        return super().measure_baseline(name, look)

    def measure(self, candidate, look, **options):
        if self.clock is not None:
            self.clock.now += len(look.cases)
        return super().measure(candidate, look, **options)


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


def point(folder: Path, text: str = "[1.5, -2]") -> Path:
    path = folder / "point.json"
    path.write_text(text)
    return path


def silent(_):
    pass


def test_every_setting_is_measured_case_by_case(tmp_path):
    found = transfer.measure([Hill("near"), Hill("far")], point(tmp_path), silent)
    assert [setting.name for setting in found.settings] == ["near", "far"]
    for setting in found.settings:
        assert setting.cases == list(range(50, 57))
        expected = [8 - (0.5 - case / 100) ** 2 for case in setting.cases]
        assert setting.values["final"] == pytest.approx(expected)
        assert set(setting.values) == {"final", *Toy.baselines}
        assert all(len(row) == 7 for row in setting.values.values())
    assert found.left_out == []
    transfer.judge(found, None, Toy.presentation)
    assert {setting.outcome for setting in found.settings} == {"holds"}


@pytest.mark.parametrize(
    ("allowed", "cases", "baselines"),
    [
        (5.0, [0, 0], 0),  # two cases of a second each, twice, and a reserve
        (6.0, [2, 0], 0),
        (16.0, [2, 2], 0),
        (23.0, [5, 5], 0),
        (26.0, [7, 5], 0),
        (1e3, [7, 7], len(Toy.baselines)),
    ],
)
def test_what_the_time_does_not_suffice_for_is_left_out(
    tmp_path, monkeypatch, allowed, cases, baselines
):
    clock = Clock()
    monkeypatch.setattr(transfer, "time", clock)
    said = []
    hills = [Hill("near", clock), Hill("far", clock)]
    found = transfer.measure(hills, point(tmp_path), said.append, allowed=allowed, guess=1.0)
    assert [len(setting.cases) for setting in found.settings] == cases
    assert found.seconds == clock.now <= allowed
    more = len(Toy.baselines) - 1
    for setting in found.settings:
        assert (setting.reason == "no time was left") == (not setting.cases)
        assert len(setting.values) == (2 + more if baselines else 2 if setting.cases else 0)
    assert len(found.left_out) == (0 if baselines or not any(cases) else more)
    assert (said[-1] == f"transfer: ended at its bound, {allowed:.0f} s") == (allowed < 1e3)


def test_a_candidate_that_never_ends_is_ended(tmp_path):
    never = point(tmp_path, '"endless"')
    found = transfer.measure([Hill("hill")], never, silent, allowed=0.1)
    assert found.settings[0].reason == "no time was left"


class Broken(Hill):
    def measure_baseline(self, name, look):
        raise OpenGliaError("there are no tables")


def test_a_setting_that_fails_costs_the_others_nothing(tmp_path):
    crashing = point(tmp_path, "[1]")
    found = transfer.measure([Hill("hill")], crashing, silent).settings[0]
    assert (found.outcome, found.reason, found.cases) == ("fails", "not two numbers", [])
    both = transfer.measure([Broken("broken"), Hill("hill")], point(tmp_path), silent)
    assert [setting.reason for setting in both.settings] == ["there are no tables", None]
    assert len(both.settings[1].cases) == 7


@pytest.mark.parametrize(
    ("factor", "home", "outcome"),
    [
        ([0.5, 0.5, 0.5], 0.5, "holds"),
        ([0.59, 0.59, 0.59], 0.5, "holds"),
        ([0.61, 0.61, 0.61], 0.5, "shrinks"),
        ([0.7, 0.7, 0.7], None, "holds"),  # nothing is known of home
        ([0.5, 1.2, 1.3], 0.5, "is not shown"),
        ([1.2, 1.2, 1.3], 0.5, "turns"),
    ],
)
def test_outcomes(factor, home, outcome):
    llq = [50.0, 80.0, 20.0]
    final = [a * b for a, b in zip(factor, llq, strict=True)]
    for lower in (True, False):
        shown = type(PRESENTATION)()
        shown.objective = replace(PRESENTATION.objective, lower_is_better=lower)
        values = {"final": final, "llq": llq} if lower else {"final": llq, "llq": final}
        if not lower and outcome in ("holds", "shrinks"):
            continue  # a gain as a share is another there
        setting = Setting(name="s", hash="h", held_out=3, cases=[1, 2, 3], values=values)
        transfer.judge(Transfer(settings=[setting]), home, shown)
        assert setting.outcome == outcome


def routing(name: str) -> Routing:
    return Routing(load_benchmark(name), find("embedded"))


def test_what_follows_a_run(tmp_path):
    assert [other.name for other in routing("paper").other_settings()] == list(FAMILY[1:])
    after = routing("paper-tight").other_settings()
    assert {other.name for other in after} == set(FAMILY) - {"paper-tight"}
    assert routing("smoke").other_settings() == []
    assert [other.name for other in routing("smoke").other_settings(["paper"])] == ["paper"]
    assert Toy().other_settings() == []
    with pytest.raises(UsageError, match="no benchmark 'papyrus'"):
        routing("smoke").other_settings(["papyrus"])
    with pytest.raises(UsageError, match="hill has no other settings"):
        Toy().other_settings(["valley"])
    path = tmp_path / "seen.yaml"
    path.write_text("extends: paper\ndescription: x\nheld_out_seeds: null\n")
    with pytest.raises(UsageError, match="benchmark seen has no held-out seeds"):
        routing("paper").other_settings([str(path)])


def test_the_command_measures_a_router_elsewhere(tmp_path, capsys):
    for name, text in (("here", TINY), ("there", TINY.replace("duration: 2", "duration: 3"))):
        (tmp_path / f"{name}.yaml").write_text(text)
    head_room = Path(transfer.__file__).parents[1] / (
        "problems/routing/reference/routers/head_room.py"
    )
    words = ["transfer", str(head_room), "--benchmark", str(tmp_path / "here.yaml")]
    assert main([*words, "--to", str(tmp_path / "there.yaml"), "--json"]) == 0
    (setting,) = json.loads(capsys.readouterr().out)["transfer"]["settings"]
    assert setting["name"] == "there"
    assert setting["cases"] == [70, 71]
    assert setting["value"] == pytest.approx(
        (
            setting["values"]["final"][0] / setting["values"]["llq"][0]
            * setting["values"]["final"][1] / setting["values"]["llq"][1]
        ) ** 0.5
    )  # fmt: skip
    broken = tmp_path / "broken.py"
    broken.write_text("import os")
    assert main(["transfer", str(broken), *words[2:], "--to", "smoke"]) == FAILED
    assert "broken.py fails on here: broken.py: " in capsys.readouterr().err
    assert main(words) == 2
    assert "nothing follows a run on here; name other settings with --to" in capsys.readouterr().err


def of_run() -> dict:
    """results.json of a run with four other benchmarks."""
    settings = [
        Setting(
            name=name, hash="h", held_out=10, cases=[1, 2], measure="ratio", value=value,
            interval=(value - 0.1, value + 0.1), outcome=outcome,
            values={"final": [10 * value, 30 * value], "llq": [10.0, 30.0], "lor": [9.0, 9.0]},
        )
        for name, value, outcome in (
            ("unequal", 1.62, "turns"), ("tight", 0.4, "holds"), ("loose", 0.5, "holds"),
        )
    ]  # fmt: skip
    settings.append(Setting(name="stale", hash="h", held_out=10, reason="no time was left"))
    found = Transfer(settings=settings, left_out=["random"], seconds=40.0, allowed=50.0)
    line = {"status": "ok", "mean_response_time": 30.0, "per_seed": [30.0], "seeds": [7]}
    return {
        "benchmark": {"name": "paper"},
        "baselines": {"llq": {"held_out": line | {"mean_response_time": 60.0}}},
        "final": {"held_out": line},
        "verification": {"ratio_held_out": 0.5, "ratio_interval": [0.4, 0.6]},
        "transfer": found.model_dump(mode="json"),
    }


def test_it_is_told_in_a_sentence_and_a_table():
    results = of_run()
    assert transferred.sentence(results) == (
        "elsewhere the gain holds on tight (0.400), loose (0.500), turns on unequal (1.620); "
        "not measured on stale"
    )
    header, *rows = transferred.table(results, PRESENTATION)
    assert header == [
        "measured on", "seeds", "final (s)", "LLQ", "to LLQ", "90 % interval", "the gain", "lor",
    ]  # fmt: skip
    assert rows[0][:7] == ["paper", "1", "30.0", "60.0", "0.500", "0.400 to 0.600", "home"]
    assert rows[1] == [
        "unequal", "2 of 10", "32.4", "20.0", "1.620", "1.52 to 1.72", "turns", "9.00",
    ]  # fmt: skip
    assert rows[4] == [
        "stale", "0 of 10", "–", "–", "–", "", "not measured: no time was left", "–",
    ]  # fmt: skip
    results["transfer"]["settings"][0] |= {"outcome": "fails", "reason": "it raised"}
    assert transferred.sentence(results) == (
        "elsewhere the gain holds on tight (0.400), loose (0.500); it fails on unequal; "
        "not measured on stale"
    )
    note = transferred.note(results, PRESENTATION)
    assert "It took 40 s of the 50 s that it may take." in note
    assert "The time did not suffice for random everywhere." in note
    section = transferred.section(results, PRESENTATION)
    assert section.plot.alt == (
        "Ratio to LLQ: paper 0.500; unequal 1.620; tight 0.400; loose 0.500"
    )
    assert transferred.section({}, PRESENTATION) is None
    assert transferred.sentence({"transfer": {"settings": [7, {"values": "x"}]}}) == (
        "not measured on unknown, unknown"
    )
