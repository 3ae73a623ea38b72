"""Vidur's execution-time predictors, trained once per profile, and the tables made of them.

Training happens in a temporary folder that is renamed when it is complete. One folder per profile
hash: Vidur's names for cached predictions leave out the attention profile.
"""

import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from openglia import interrupts, paths
from openglia.errors import OpenGliaError
from openglia.files import sha256, write_atomically, write_json
from openglia.problems.routing.benchmark.definition import Cluster
from openglia.problems.routing.hardware import tables as operator_tables
from openglia.problems.routing.hardware.roofline import (
    KV_GRANULARITY,
    LINEAR_OPERATORS,
    max_tokens_in_batch,
    profile_hash,
)
from openglia.problems.routing.vidur import command, tree
from openglia.problems.routing.vidur.train import DONE

TRAINING_SEED = 0
MANIFEST = "manifest.json"  # written last
STEPS = 24  # 12 operators, each trained and predicted

Progress = Callable[[int, int, str], None]  # steps done, steps in all, what was done


def folder(cluster: Cluster) -> Path:
    """The working folder of a simulation: the profile's files and the trained predictors."""
    return paths.CACHE / "predictors" / profile_hash(cluster)


def tables(cluster: Cluster) -> Path:
    """The predictions as arrays; the embedded simulator reads them, too."""
    return operator_tables.path(profile_hash(cluster))


def ready(cluster: Cluster) -> bool:
    """Whether both are there. They are whole if they are there."""
    return (folder(cluster) / MANIFEST).is_file() and tables(cluster).is_file()


def verify(cluster: Cluster) -> Path:
    """The working folder, after a look at every prediction in it.

    Raises:
        OpenGliaError: the predictors are not trained, or a file was changed since.
    """
    work = folder(cluster)
    manifest = work / MANIFEST
    if not manifest.is_file():
        raise OpenGliaError(
            f"Vidur's predictors for {cluster.model} on {cluster.gpu} are not trained; "
            "run ./setup.sh --simulator vidur"
        )
    try:
        told = json.loads(manifest.read_text())
    except ValueError:
        told = None
    if told != _hashes(work):
        raise OpenGliaError(f"{work} was changed after training; remove it and run ./setup.sh")
    return work


def linked(work: Path, folder: Path) -> Path:
    """A new working folder in which the files of ``work`` appear.

    Vidur opens lock files beside its predictors, for writing; they stay in this one.
    """
    for path in _files(work):
        link = folder / path.relative_to(work)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    return folder


def _files(work: Path) -> list[Path]:
    return sorted([*work.glob("*.csv"), *work.glob(f"{command.PREDICTOR_CACHE}/*.pkl")])


def _hashes(work: Path) -> dict[str, str]:
    return {str(path.relative_to(work)): sha256(path.read_bytes()) for path in _files(work)}


def train(cluster: Cluster, commit: str, progress: Progress | None = None) -> None:
    """Train the predictors for ``cluster``'s profile and write its tables. Takes about a minute.

    Raises:
        OpenGliaError: Vidur's training failed; with the last line of its output.
    """
    final = folder(cluster)
    if not (final / MANIFEST).is_file():
        shutil.rmtree(final, ignore_errors=True)
        final.parent.mkdir(parents=True, exist_ok=True)
        for left_over in final.parent.glob(f".{final.name}.*"):
            shutil.rmtree(left_over, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{final.name}.") as name:
            work = Path(name)
            from openglia.problems.routing.vidur import profiles  # late: pandas, to train alone

            profiles.write(cluster, commit, work)
            _train(cluster, commit, work, progress)
            shutil.rmtree(work / "run", ignore_errors=True)
            for left_over in (work / command.PREDICTOR_CACHE).glob("*.csv"):
                left_over.unlink()  # predictions as text, which nothing reads
            write_json(work / MANIFEST, _hashes(work))
            work.chmod(0o755)
            with _name_kept(work):
                work.rename(final)
    _write_tables(cluster)


@contextmanager
def _name_kept(work: Path) -> Iterator[None]:
    """Leave an empty folder under the old name for the temporary folder's own clean-up."""
    yield
    work.mkdir()


def _train(cluster: Cluster, commit: str, work: Path, progress: Progress | None) -> None:
    with tempfile.TemporaryDirectory(prefix="openglia-vidur-") as place:
        tree.compose(Path(place), None, commit)
        words = command.arguments(cluster, "random", Path("none.csv"), Path("run"), TRAINING_SEED)
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "openglia.problems.routing.vidur.train",
                str(TRAINING_SEED),
                *words,
            ],
            cwd=work,
            env=simulation_environment(Path(place)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        last, done = "", 0
        try:
            for line in process.stdout:
                last = line.strip() or last
                if line.startswith(DONE):
                    done += 1
                    if progress:
                        progress(done, STEPS, line.split()[1])
            status = process.wait()
        finally:
            if process.poll() is None:
                interrupts.kill_tree(process.pid)
            process.wait()
    if status != 0 or done != STEPS:
        raise OpenGliaError(f"Vidur's predictors could not be trained: {last}")


def simulation_environment(place: Path) -> dict[str, str]:
    """The environment of a process that imports the Vidur at ``place``.

    One thread: the predictors are the same on every machine, and seeds run side by side.
    """
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "PYTHONPATH": os.pathsep.join([str(place), str(paths.IMPORTED_FROM)]),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "WANDB_MODE": "disabled",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _write_tables(cluster: Cluster) -> None:
    """Turn Vidur's cached predictions into arrays (the format stands in ``load_predictions``)."""
    arrays = to_arrays(cluster, load_predictions(folder(cluster)))
    views = {name: memoryview(a.tobytes()).cast("d", a.shape) for name, a in arrays.items()}
    write_atomically(tables(cluster), operator_tables.Tables(views).to_bytes())


def load_predictions(work: Path) -> dict[str, dict[tuple[float, ...], float]]:
    """Vidur's cached predictions, by operator and by the key that Vidur looks them up with."""
    found: dict[str, Any] = {}
    for operator in (*LINEAR_OPERATORS, "attn_prefill", "attn_decode"):
        files = list((work / command.PREDICTOR_CACHE).glob(f"{operator}_????????_predictions.pkl"))
        if len(files) != 1:
            raise OpenGliaError(
                f"{len(files)} predictions of {operator} in {work}; remove it and run ./setup.sh"
            )
        with files[0].open("rb") as stream:
            found[operator] = pickle.load(stream)
    return found


def to_arrays(
    cluster: Cluster, predictions: dict[str, dict[tuple[float, ...], float]]
) -> dict[str, np.ndarray]:
    """Predictions as float64 arrays in milliseconds; nan where Vidur has no entry.

    Linear operators by number of tokens; ``attn_decode[batch, kv // 64]``;
    ``attn_prefill[kv // 64, chunk]``, whose key in Vidur is (kv, chunk squared).
    """
    longest = max_tokens_in_batch(cluster)
    kv_sizes = longest // KV_GRANULARITY + 1
    arrays = {operator: np.full(longest + 1, np.nan) for operator in LINEAR_OPERATORS}
    for operator, array in arrays.items():
        for (tokens,), time in predictions[operator].items():
            array[int(tokens)] = time
    decode = np.full((cluster.replica_scheduler.batch_size_cap + 1, kv_sizes), np.nan)
    for (batch, kv), time in predictions["attn_decode"].items():
        decode[int(batch), int(kv) // KV_GRANULARITY] = time
    prefill = np.full((kv_sizes, longest + 1), np.nan)
    keys = np.array(list(predictions["attn_prefill"]), dtype=np.float64)
    chunks = np.rint(np.sqrt(keys[:, 1])).astype(np.int64)
    rows = keys[:, 0].astype(np.int64) // KV_GRANULARITY
    prefill[rows, chunks] = list(predictions["attn_prefill"].values())
    return {**arrays, "attn_decode": decode, "attn_prefill": prefill}
