"""The offline researcher: a model for fast-agent that needs no provider.

It plays the Researcher and the Supervisor of a run in-process. As the Researcher it searches a
parametric family of routers by evaluation alone, through the same shell tool as any model.
"""


def register(seed: int) -> None:
    """Make the model ``offline`` known to fast-agent; its search repeats with ``seed``."""
    # fast-agent takes seconds to import: only who runs agents waits for it.
    from openglia.discovery.offline.model import register_model

    register_model(seed)
