"""The README is true: its layout exists, its commands do, its links lead somewhere."""

import re
from pathlib import Path

import pytest

from openglia.cli import COMMANDS
from openglia.paths import ROOT

README = (ROOT / "README.md").read_text()


def layout() -> list[str]:
    """The paths of the tree under "Layout", relative to the root."""
    block = README.split("## Layout")[1].split("```")[1]
    paths, parent = [], ""
    for line in block.strip("\n").splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            parent = name if name.endswith("/") else ""
            paths.append(name)
        elif f"{parent}{name}" != "environment/vidur/":
            paths.append(f"{parent}{name}")
    return paths


@pytest.mark.parametrize("path", layout())
def test_layout_exists(path):
    assert (ROOT / path).exists()


def test_layout_names_every_room_of_the_package():
    rooms = {f"openglia/{p.parent.name}/" for p in (ROOT / "openglia").glob("*/__init__.py")}
    assert rooms <= set(layout())


def test_commands_exist():
    named = set(re.findall(r"^openglia (\w+)", README, flags=re.MULTILINE))
    named |= set(re.findall(r"`openglia (\w+)", README))
    assert named and named <= set(COMMANDS)


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / Path(link)).exists()] == []
