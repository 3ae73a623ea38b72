"""A folder as a problem: its evaluator scores, its initial program is start and yardstick."""

import shutil
import threading
from collections.abc import Generator, Mapping
from contextlib import closing
from copy import copy
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.files import read_handed_over, sha256
from openglia.measuring.bootstrap import bootstrap_interval
from openglia.presenting import tolerant
from openglia.presenting.score import Line
from openglia.problems.asked import RefusedError, chosen
from openglia.problems.folder import marks
from openglia.problems.folder.environment import interpreter
from openglia.problems.folder.literals import literals
from openglia.problems.folder.measuring import Measured, call
from openglia.problems.folder.presentation import FolderPresentation
from openglia.problems.folder.source import Source, files, folder_hash
from openglia.problems.problem import Check, Look, Problem, Progress, source_of
from openglia.problems.space import OfflineTask
from openglia.sandbox.layout import Workplace

if TYPE_CHECKING:
    from openglia.measuring.cluster import Cluster

PLACE = Path("environment/candidate")  # of the working file, below the experiment's folder
SCORE = ".venv/bin/python -m openglia score"


class Folder(Problem):
    """One problem's folder; ``given`` is where it was found."""

    kind = "folder"
    baselines: tuple[str, ...]
    _cluster: "Cluster | None" = None
    _packed = b""  # the folder, for the cluster

    def __init__(self, source: Source, given: Path) -> None:
        settings = source.settings
        self.source = source
        self.name, self.hash = source.name, source.hash
        self.presentation = FolderPresentation(
            settings.objective.objective, source.initial, source.initial.suffix
        )
        if settings.cases is not None:
            self.presentation.case = settings.cases.noun
        self.cases = tuple(range(settings.repeats))
        self.held_out_cases: tuple[int, ...] = ()
        if settings.splits is not None:
            self.held_out_cases = tuple(range(settings.repeats, 2 * settings.repeats))
        self.baselines = tuple(settings.baselines)
        self.noisy = settings.repeats > 1
        self._file = PLACE / f"program{source.initial.suffix}"
        self.working_file = paths.ROOT / self._file
        self._given = given

    @cached_property
    def offline(self) -> OfflineTask | None:  # type: ignore[override]
        """The numbers of the initial program, if it is Python and has some."""
        if self.source.initial.suffix != ".py":
            return None
        space = literals(read_handed_over(self.source.initial))
        if space is None:
            return None
        return OfflineTask(
            space=space,
            file=str(self._file),
            command=f"{SCORE} {self._file} --json",
            subset="--cases",
            presentation=self.presentation,
        )

    def statement(self, measured: str) -> str:
        """The folder's own words, how to score, and what was measured."""
        objective, source = self.presentation.objective, self.source
        parts = [
            source.statement.strip(),
            f"# The program\n\n`{self._file}` holds the program that you improve; it starts as the "
            f"initial one. Score it with `{SCORE} {self._file}`: the last line of the output is "
            f"JSON, and `value` is the {objective.words} ({objective.direction}).",
        ]
        if marks.START in source.initial.read_text(errors="replace"):
            parts.append(
                "Only what lies between the marks EVOLVE-BLOCK-START and EVOLVE-BLOCK-END may "
                "change: a program with any other change is refused."
            )
        if source.stages:
            parts.append("`--quick` gives a first look by the evaluator's first stage.")
        if source.settings.visible:
            parts.append(
                f"The evaluator and what lies beside it is in `{PLACE}/problem/`, to read."
            )
        parts.append(f"Measured on this machine for this run:\n\n{measured}")
        return "\n\n".join(parts) + "\n"

    def brief(self) -> str:
        """The folder's own words."""
        return self.source.statement.strip()

    @property
    def workplace(self) -> Workplace:
        """The program alone, and the folder's files where its settings say so."""
        shown: dict[Path, str] = {}
        if self.source.settings.visible:
            for path in files(self.source.folder):
                name = path.relative_to(self.source.folder)
                shown[PLACE / "problem" / name] = path.read_text(errors="replace")
        return Workplace(working_file=self._file, replaced=shown)

    def prepare(self, source: bytes | None = None, root: Path = paths.ROOT) -> None:
        """A folder with the program and nothing else."""
        try:
            shutil.rmtree((root / self._file).parent, ignore_errors=True)
            super().prepare(source, root)
        except OSError as error:
            raise OpenGliaError(f"{PLACE} cannot be prepared: {error}; make it writable") from None

    def look(self, asked: Mapping[str, Any]) -> Look:
        """All repeats, some of them, or the evaluator's first stage."""
        if not asked.keys() <= {"cases", "quick"}:
            raise RefusedError("a request has the keys source, cases and quick")
        cases, quick = asked.get("cases"), asked.get("quick") is True
        if quick and not self.source.stages:
            raise RefusedError("this problem's evaluator has no evaluate_stage1: leave out --quick")
        over = self.cases if cases is None else chosen(cases, self.cases, self.presentation.case)
        return Look(over[:1] if quick else over, {"cases": cases, "quick": quick})

    def measure(
        self,
        candidate: Path,
        look: Look,
        *,
        output: Path | None = None,
        jobs: int | None = None,
        progress: Progress | None = None,
        cancelled: threading.Event | None = None,
    ) -> Line:
        """Call the evaluator once for each repeat; the first that fails ends it."""
        del output, jobs
        source = source_of(Path(candidate))
        initial = read_handed_over(self.source.initial)
        if wrong := marks.changed_outside(initial, source.decode(errors="replace")):
            return self.failed("rules", wrong, look, source)
        quick = look.asked.get("quick") is True
        by_number: dict[int, Measured] = {}
        with closing(self._calls(Path(candidate), look, quick, cancelled)) as calls:
            for number, measured in calls:
                if measured.value is None:
                    line = self.failed(measured.rule, measured.reason, look, source)
                    return {**line, "detail": measured.detail, "metrics": dict(measured.metrics)}
                by_number[number] = measured
                if progress is not None:
                    progress(len(by_number), len(look.cases))
        found = [by_number[number] for number in range(len(look.cases))]
        constraints = []
        for constraint in self.source.settings.constraints:
            told = [tolerant.number(one.metrics, constraint.metric) for one in found]
            known = [value for value in told if value is not None]
            if len(known) < len(told) and not quick:
                wrong = f"evaluate() gave no finite number as {constraint.metric}, which is bounded"
                return self.failed("score", f"{wrong} in openglia.yaml", look, source)
            constraints.append(constraint.held(fmean(known) if known else None).to_json())
        values = [measured.value for measured in found if measured.value is not None]
        by_case = [value for measured in found for value in measured.by_case]
        warnings = list(dict.fromkeys(m.warning for m in found if m.warning))
        return {
            "status": "ok",
            "candidate": sha256(source)[:12],
            "cases": list(range(len(by_case))) if self.source.settings.cases else list(look.cases),
            "full": not quick and set(look.cases) == set(self.cases),
            "value": fmean(values),
            "interval": bootstrap_interval(by_case),
            "by_case": by_case,
            "metrics": dict(found[-1].metrics),
            "detail": found[-1].detail,
            **({"constraints": constraints} if constraints else {}),
            **({"warnings": warnings} if warnings else {}),
        }

    def measure_baseline(self, name: str, look: Look) -> Line:
        """A program of the folder."""
        return self.measure(self.source.folder / self.source.settings.baselines[name], look)

    def describe(self) -> dict[str, Any]:
        """With the objective, and where the folder was."""
        problem = super().describe()["problem"]
        more = {
            "objective": asdict(self.presentation.objective),
            "initial": self.source.initial.name,
            "folder": str(self._given),
            "case": self.presentation.case,
            "timeout": self.source.timeout,
            "network": self.source.settings.network,
        }
        return {"problem": problem | more}

    def keep(self, folder: Path) -> None:
        """Copy the problem into the run's folder."""
        target = folder / "problem"
        if target.exists():
            return
        try:
            shutil.copytree(self.source.folder, target)
        except OSError as error:
            raise OpenGliaError(f"{target} cannot be written: {error}; make room") from None

    def remark(self, results: Mapping[str, Any]) -> str | None:
        """The folder has changed since the run began."""
        given = Path(results["problem"].get("folder") or "")
        use = "the copy in the run's folder is used"
        if not given.is_dir():
            return f"the problem's folder {given} is gone; {use}"
        changed = folder_hash(given) != results["problem"]["hash"]
        return (
            f"the problem's folder {given} has changed since the run began; {use}"
            if changed
            else None
        )

    def introduction(self) -> list[str]:
        """What is less safe or less sure than with other problems."""
        lines = []
        if self.source.settings.network:
            lines.append(
                "!! THE EVALUATOR HAS A NETWORK (network in openglia.yaml), and so have the "
                "candidates that it runs: they can reach whatever this machine reaches."
            )
        if self.held_out_cases:
            return lines
        return [
            *lines,
            "!! THIS PROBLEM HAS NO HELD-OUT SPLIT: a gain is measured on what the agents could "
            "see, and nothing is verified on unseen cases (splits in openglia.yaml).",
        ]

    def examine(self) -> list[Check]:
        """The pristine copy that scores."""
        whole = folder_hash(self.source.folder) == self.hash
        words = "equals" if whole else "NO LONGER EQUALS"
        evidence = f"the copy that scores {words} the folder of hash {self.hash}"
        return [Check("problem folder", "passed" if whole else "failed", evidence)]

    def on(self, cluster: "Cluster") -> Problem:
        """Repeat by repeat; the folder as a whole is sent."""
        from openglia.problems.folder import elsewhere  # late: few need it

        there = copy(self)
        there._cluster, there.room = cluster, cluster.room
        there._packed = elsewhere.packed(self.source)
        return there

    def _calls(
        self, candidate: Path, look: Look, quick: bool, cancelled: threading.Event | None
    ) -> Generator[tuple[int, Measured]]:
        """What the evaluator says of each case, by its place among them."""
        function = "evaluate_stage1" if quick else "evaluate"
        splits = [self._split(int(case)) for case in look.cases]
        if self._cluster is not None:
            from openglia.problems.folder import elsewhere  # late: few need it

            yield from elsewhere.calls(
                self._cluster,
                self.source,
                self._packed,
                candidate,
                function=function,
                splits=splits,
                cancelled=cancelled,
            )
            return
        for number, split in enumerate(splits):
            yield (
                number,
                call(
                    self.source,
                    candidate,
                    python=self._python,
                    function=function,
                    split=split,
                    cancelled=cancelled,
                ),
            )

    @cached_property
    def _python(self) -> Path:
        return interpreter(self.source)

    def _split(self, case: int) -> str | None:
        splits = self.source.settings.splits
        if splits is None:
            return None
        return splits.held_out if case in self.held_out_cases else splits.evaluation
