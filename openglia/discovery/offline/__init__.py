"""The offline researcher: a model for fast-agent that needs no provider.

It plays the Researcher and the Supervisor of a run in-process. As the Researcher it searches the
problem's space of candidates by evaluation alone, through the same shell tool as any model.
"""

from openglia.problems.space import OfflineTask


def register(seed: int, task: OfflineTask) -> None:
    """Make the model ``offline`` known to fast-agent; its search repeats with ``seed``."""
    # fast-agent takes seconds to import: only who runs agents waits for it.
    from openglia.discovery.offline.model import register_model

    register_model(seed, task)
