"""What results.json says of Vidur."""

from typing import Any

from openglia import paths
from openglia.problems.routing.vidur import checkout, tree
from openglia.problems.routing.vidur.installation import is_installed


def facts() -> dict[str, Any]:
    """Whether it is installed, its commit, and the hash of our overrides."""
    installed = is_installed()
    return {
        "installed": installed,
        "commit": checkout.head(paths.VIDUR) if installed else None,
        "overrides_sha256": tree.overrides_sha256(),
    }
