"""A run's report: one page that opens offline, its plots as PNG, and an index over runs."""

from collections.abc import Callable
from pathlib import Path

from openglia.errors import UsageError
from openglia.files import write_atomically
from openglia.presenting.drawing import Absent, Plot, png
from openglia.presenting.presentation import Presentation
from openglia.report import data, plots, transferred


def write(
    run_dir: Path,
    presentation: Presentation | None = None,
    *,
    images: bool = True,
    alive: bool = False,
) -> Path:
    """Write ``report.html`` and ``plots/*.png`` of a run folder, however far the run came.

    What is missing is said in the page. The problem may measure for its own plots.

    Args:
        run_dir: the run's folder.
        presentation: by default that of the run's kind of problem.
        images: without, the PNGs stay as ``draw_plots`` has left them.
        alive: a process works on the run: unless it has ended, the page loads itself again, and
            the problem's own plots, which are of what the run ends with, are left out.
    """
    from openglia.report import page  # a run that only draws needs no templates

    run = data.read(run_dir.resolve(), presentation, alive=alive)
    generic = plots.generic(run)
    own = [] if run.under_way else run.presentation.plots(run)
    if images:
        _write_images(run.folder, [*generic, *_transferred(run), *own])
    path = run.folder / "report.html"
    text = page.render(run, generic, own)
    if run.folder.is_dir():  # else deleted meanwhile, and it shall not come back
        write_atomically(path, text)
    return path


def draw_plots(run_dir: Path, presentation: Presentation | None = None) -> list[str]:
    """Write ``plots/*.png`` and return the Markdown lines that show them in solution.md."""
    run = data.read(run_dir.resolve(), presentation)
    own = run.presentation.plots(run)
    return _write_images(run.folder, [*plots.generic(run), *_transferred(run), *own])


def write_index(
    folder: Path,
    presentation: Presentation | None = None,
    alive: Callable[[Path], bool] = lambda _: False,
) -> Path:
    """Write ``index.html``, which compares the runs in ``folder``.

    Args:
        folder: of run folders.
        presentation: by default that of each run's kind of problem.
        alive: whether a process works on the run in a folder.

    Raises:
        UsageError: there is no run in it.
    """
    from openglia.report import index  # a run that only draws needs no templates

    folder = folder.resolve()
    paths = [path for path in sorted(folder.iterdir()) if data.is_run(path)]
    if not paths:
        raise UsageError(f"{folder} holds no run folder; ./run.sh makes one in generated/")
    path = folder / "index.html"
    runs = [data.read(path, presentation, alive=alive(path)) for path in paths]
    write_atomically(path, index.render(runs, folder))
    return path


def _transferred(run: data.Run) -> list[Plot | Absent]:
    """The plot of other settings, where there are any."""
    section = transferred.section(run.results, run.presentation)
    return [] if section is None else [section.plot]


def _write_images(folder: Path, drawn: list[Plot | Absent]) -> list[str]:
    lines = []
    for plot in drawn:
        image = folder / "plots" / f"{plot.name}.png"
        if isinstance(plot, Absent):
            image.unlink(missing_ok=True)  # of an earlier report: it would show what is not so
            continue
        write_atomically(image, png(plot))
        lines += [f"![{plot.title}. {plot.alt}](plots/{image.name})", "", plot.caption, ""]
    return lines
