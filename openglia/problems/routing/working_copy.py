"""The working copy that runs share: the working scheduler and the simulator's results."""

import os
import shutil
from pathlib import Path

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.files import write_atomically

_SCRIPTS = ("run_all.sh", "run_baseline.sh")


def prepare(source: bytes | None = None) -> None:
    """Put the stub (or ``source``) in the working scheduler's place and empty the results.

    Raises:
        OpenGliaError: it cannot be written.
    """
    try:
        for name in _SCRIPTS:  # as setup.sh does: they may have been edited since
            write_atomically(paths.VIDUR / name, (paths.ENVIRONMENT / name).read_bytes())
            (paths.VIDUR / name).chmod(0o755)
        write_atomically(paths.WORKING_SCHEDULER, source or paths.STUB.read_bytes())
        publish_results(None, paths.SIMULATOR_RESULTS)
    except OSError as error:
        raise OpenGliaError(
            f"environment/vidur cannot be prepared: {error}; "
            f"make it writable and see that the disk has room"
        ) from None


def publish_results(source: Path | None, target: Path) -> None:
    """Replace what is in ``target`` by what is in ``source``, for the agent to read.

    An agent without a sandbox could have put a link in the place of ``target``. It is never
    followed: the folder is opened once, as a folder, and all is done relative to that.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        target.unlink()
    target.mkdir(parents=True, exist_ok=True)
    handle = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for entry in list(os.scandir(handle)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.name, dir_fd=handle)
            else:
                os.unlink(entry.name, dir_fd=handle)
        for path in sorted(source.iterdir()) if source is not None and source.is_dir() else ():
            shutil.move(path, f"/proc/self/fd/{handle}/{path.name}")
    finally:
        os.close(handle)
