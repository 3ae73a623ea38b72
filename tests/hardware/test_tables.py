"""The file of execution-time tables."""

import pytest

from openglia.errors import OpenGliaError
from openglia.problems.routing.hardware.tables import Tables

TABLES = Tables(
    {
        "add": memoryview(bytes(8) + b"\n" * 16).cast("d"),
        "attn_decode": memoryview(bytes(range(48))).cast("d", (2, 3)),
    }
)


def test_reading_gives_back_every_bit(tmp_path):
    path = tmp_path / "a.tables"
    path.write_bytes(TABLES.to_bytes())
    views = Tables.read(path).views
    assert {name: view.tobytes() for name, view in views.items()} == {
        name: view.tobytes() for name, view in TABLES.views.items()
    }
    assert views["attn_decode"].shape == (2, 3)
    assert Tables.read(path).attn_decode(1, 128) == TABLES.views["attn_decode"][1, 2]


@pytest.mark.parametrize("at", [0, 5, 40, -1])
def test_damage_is_noticed(tmp_path, at):
    content = bytearray(TABLES.to_bytes())
    content[at] ^= 1
    path = tmp_path / "a.tables"
    path.write_bytes(content)
    with pytest.raises(OpenGliaError, match=r"cannot be used .*run \./setup\.sh again"):
        Tables.read(path)


def test_a_file_cut_short_is_noticed(tmp_path):
    path = tmp_path / "a.tables"
    path.write_bytes(TABLES.to_bytes()[:-8])
    with pytest.raises(OpenGliaError, match="checksum"):
        Tables.read(path)
