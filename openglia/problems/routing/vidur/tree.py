"""Pristine copies of Vidur's package, taken from Git's objects and verified down to each file.

Scores come from such a copy, never from the checkout that an agent may have edited.
"""

import hashlib
import io
import shutil
import tarfile
import tempfile
from pathlib import Path

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.files import sha256
from openglia.problems.routing import repository
from openglia.problems.routing.hooks import ROUTER, Hook
from openglia.problems.routing.vidur import checkout

# Where the files of environment/vidur_overrides go; the folder openglia/ goes to vidur/openglia/.
REPLACED = {
    "global_scheduler_type.py": "types/global_scheduler_type.py",
    "global_scheduler_registry.py": "scheduler/global_scheduler/global_scheduler_registry.py",
}
ADDED = "openglia"
POLICY = Path(__file__).parents[1] / "simulator" / "policy.py"

# Not needed to simulate.
LEFT_OUT = shutil.ignore_patterns("profiling", "config_optimizer", "__pycache__")


def overrides() -> dict[str, Path]:
    """Our files by their place in Vidur's package."""
    files = {place: paths.OVERRIDES / name for name, place in REPLACED.items()}
    for path in sorted((paths.OVERRIDES / ADDED).glob("*.py")):
        files[f"{ADDED}/{path.name}"] = path
    files[f"{ADDED}/replica_policy.py"] = POLICY
    return files


def overrides_sha256() -> str:
    """One hash over all overrides and their places."""
    parts = [f"{place}\0{sha256(path.read_bytes())}" for place, path in overrides().items()]
    return sha256("\n".join(parts))


def apply_overrides(package: Path) -> None:
    """Copy our files into the package at ``package``."""
    for place, source in overrides().items():
        target = package / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)


def compose(folder: Path, candidate: Path | None, commit: str, hook: Hook = ROUTER) -> None:
    """Make a runnable package ``folder/vidur``: pristine files, overrides, and ``candidate``.

    Raises:
        OpenGliaError: the commit's files cannot be had from the checkout's Git objects.
    """
    package = folder / checkout.PACKAGE
    shutil.copytree(pristine(commit), package, ignore=LEFT_OUT)
    apply_overrides(package)
    if candidate is not None:
        shutil.copyfile(candidate, package / hook.file)


def pristine(commit: str) -> Path:
    """The package at ``commit`` in the cache, extracted if need be; verified each time."""
    folder = paths.CACHE / "pristine" / commit / checkout.PACKAGE
    wanted = _package_hash(commit)
    if folder.exists() and tree_hash(folder) == wanted:
        return folder
    archive = repository.git_bytes(paths.VIDUR, "archive", "--format=tar", commit, checkout.PACKAGE)
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent.parent, prefix=f".{commit}."))
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(temporary, filter="data")
        if tree_hash(temporary / checkout.PACKAGE) != wanted:
            raise OpenGliaError(
                "the Git objects of environment/vidur are damaged; remove it and run ./setup.sh"
            )
        if folder.parent.exists():
            folder.parent.rename(temporary / "replaced")
        temporary_package = temporary / checkout.PACKAGE
        folder.parent.mkdir()
        temporary_package.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def tree_hash(folder: Path) -> str:
    """Git's name for the tree of files in ``folder``; compiled Python files do not count."""
    entries = []
    for path in folder.iterdir():
        if path.name == "__pycache__":
            continue
        if path.is_dir():
            entries.append((path.name + "/", b"40000", path.name, tree_hash(path)))
        else:
            mode = b"100755" if path.stat().st_mode & 0o100 else b"100644"
            entries.append((path.name, mode, path.name, _object_hash(b"blob", path.read_bytes())))
    content = b"".join(
        mode + b" " + name.encode() + b"\0" + bytes.fromhex(digest)
        for _, mode, name, digest in sorted(entries)
    )
    return _object_hash(b"tree", content)


def _package_hash(commit: str) -> str:
    """The tree of Vidur's package, by a chain of hashes that starts at the commit's name."""
    content = _object(b"commit", commit)
    root = content.split(b"\n", 1)[0].removeprefix(b"tree ").decode()
    rest = _object(b"tree", root)
    while rest:
        head, rest = rest.split(b"\0", 1)
        digest, rest = rest[:20], rest[20:]
        if head == b"40000 " + checkout.PACKAGE.encode():
            return digest.hex()
    raise OpenGliaError(f"commit {commit[:12]} has no directory {checkout.PACKAGE}")


def _object(kind: bytes, name: str) -> bytes:
    content = repository.git_bytes(paths.VIDUR, "cat-file", kind.decode(), name)
    if _object_hash(kind, content) != name:
        raise OpenGliaError(
            "the Git objects of environment/vidur are damaged; remove it and run ./setup.sh"
        )
    return content


def _object_hash(kind: bytes, content: bytes) -> str:
    header = kind + b" " + str(len(content)).encode() + b"\0"
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
