"""The working copy that runs share: the working scheduler and the simulator's results."""

from pathlib import Path

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.files import replace_contents, write_atomically

_SCRIPTS = ("run_all.sh", "run_baseline.sh")


def prepare(source: bytes, working_file: Path, root: Path = paths.ROOT) -> None:
    """Put ``source`` in the working file's place and empty the results.

    Args:
        root: the experiment, or one context's own view of it.

    Raises:
        OpenGliaError: it cannot be written.
    """
    scheduler, results = (
        root / path.relative_to(paths.ROOT) for path in (working_file, paths.SIMULATOR_RESULTS)
    )
    try:
        for name in _SCRIPTS:  # as setup.sh does: they may have been edited since
            write_atomically(paths.VIDUR / name, (paths.ENVIRONMENT / name).read_bytes())
            (paths.VIDUR / name).chmod(0o755)
        write_atomically(scheduler, source)
        replace_contents(results, None)
    except OSError as error:
        raise OpenGliaError(
            f"environment/vidur cannot be prepared: {error}; "
            f"make it writable and see that the disk has room"
        ) from None
