"""``python -m openglia`` is the console script ``openglia``."""

import sys

from openglia.cli import main

if __name__ == "__main__":
    sys.exit(main())
