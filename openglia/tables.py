"""Tables as text: aligned for a terminal, or Markdown. Standard library only: agents' commands."""

from collections.abc import Sequence

Cells = Sequence[Sequence[str]]  # rows of equal length, the header first


def aligned(cells: Cells) -> str:
    """Columns padded to equal width."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def markdown(cells: Cells) -> str:
    """The cells as a Markdown table."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in cells]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    lines.insert(1, "|" + "---|" * len(cells[0]))
    return "\n".join(lines) + "\n"
