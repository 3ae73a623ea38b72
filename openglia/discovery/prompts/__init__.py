"""What the agents are told, as Markdown files next to this one."""

from importlib.resources import files
from string import Template


def prompt(name: str, **values: object) -> str:
    """The text of ``name``.md, each ``$key`` replaced by its value.

    Raises:
        KeyError: the text has a key that ``values`` lacks.
    """
    text = files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")
    return Template(text).substitute(values).strip() if values else text.strip()
