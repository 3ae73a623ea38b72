"""Evaluations on the machines of a Dask cluster: a folder as it is sent, its evaluator there."""

import io
import tarfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from openglia.errors import OpenGliaError
from openglia.measuring.cluster import Cluster
from openglia.measuring.tasks import Task
from openglia.problems.folder.environment import interpreter
from openglia.problems.folder.measuring import Measured, call
from openglia.problems.folder.source import Source, files, folder_hash

_FOLDER = "problem.tar"
_PROGRAM = "program"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One call of an evaluator, as a worker of a cluster is told of it."""

    number: int  # of the call, among those of an evaluation
    source: Source  # its paths are below the folder
    function: str
    split: str | None


def packed(source: Source) -> bytes:
    """The problem's folder as one file, the same for the same folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in files(source.folder):
            entry = tarfile.TarInfo(str(path.relative_to(source.folder)))
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)
    return stream.getvalue()


def calls(
    cluster: Cluster,
    source: Source,
    folder: bytes,
    program: Path,
    *,
    function: str,
    splits: Sequence[str | None],
    cancelled: threading.Event | None,
) -> Iterator[tuple[int, Measured]]:
    """Call the evaluator once for each of ``splits``; yield what came of it, as it comes.

    Args:
        folder: the source's, packed.

    Raises:
        CancelledError: ``cancelled`` was set.
        OpenGliaError: the cluster is in trouble.
    """
    bare = replace(
        source,
        folder=Path(),
        evaluator=source.evaluator.relative_to(source.folder),
        initial=source.initial.relative_to(source.folder),
    )
    work = [
        Task(
            function=f"{__name__}:{call_there.__name__}",
            told=Asked(number=number, source=bare, function=function, split=split),
            files={_FOLDER: folder, _PROGRAM: program},
        )
        for number, split in enumerate(splits)
    ]
    with cluster.started(work, cancelled) as started:
        for task, answer in started.answers():
            yield task.told.number, answer.value


def call_there(asked: Asked, folder: Path, _output: Path, cancelled: threading.Event) -> Measured:
    """On a cluster's worker: see ``tasks.Measure``."""
    place = folder / "problem"
    with tarfile.open(folder / _FOLDER) as archive:
        archive.extractall(place, filter="data")
    if folder_hash(place) != asked.source.hash:
        raise OpenGliaError(f"the folder of {asked.source.name} arrived otherwise; try again")
    source = replace(
        asked.source,
        folder=place,
        evaluator=place / asked.source.evaluator,
        initial=place / asked.source.initial,
    )
    return call(
        source,
        folder / _PROGRAM,
        python=interpreter(source),
        function=asked.function,
        split=asked.split,
        cancelled=cancelled,
    )
