"""``python -m openglia`` is the console script ``openglia``."""

import os
import sys

from openglia import interrupts


def main() -> int:
    """Run the command of this process. A signal ends it in good order and with status 130."""
    interrupts.install()
    # Whatever PYTHONDONTWRITEBYTECODE says, as in many containers: .venv and the package are ours,
    # and behind a fence nothing can be kept, so each worker and command would compile them anew.
    sys.dont_write_bytecode = False
    status = 0
    try:
        from openglia import cli  # late: a signal may come while it is imported

        status = cli.main()
    except KeyboardInterrupt:
        pass
    except SystemExit as end:  # of argparse
        status = int(end.code or 0)
    except Exception:
        if not interrupts.close():  # else a library's disguise of the interruption
            raise
    if not interrupts.close():
        return status
    for child in interrupts.children(os.getpid()):  # the last resort: all are gone by now
        interrupts.kill_tree(child)
    verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    print(f"openglia {verb}: interrupted", file=sys.stderr)
    return 130


if __name__ == "__main__":
    sys.exit(main())
