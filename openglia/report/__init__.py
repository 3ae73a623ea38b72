"""A run's report: one page that opens offline, its plots as PNG, and an index over runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from openglia.errors import UsageError
from openglia.files import write_atomically

if TYPE_CHECKING:
    from openglia.report.data import Run
    from openglia.report.drawing import Absent, Plot


def write(run_dir: Path, *, images: bool = True) -> Path:
    """Write ``report.html`` and ``plots/*.png`` of a run folder, however far the run came.

    What is missing is said in the page. The final router is simulated once more on one seed; see
    ``openglia.report.measured``. Without ``images`` the PNGs stay as ``draw_plots`` has left them.
    """
    from openglia.report import data, page

    run = data.read(run_dir.resolve())
    plots = _plots(run)
    if images:
        _write_images(run.folder, plots)
    path = run.folder / "report.html"
    write_atomically(path, page.render(run, plots))
    return path


def draw_plots(run_dir: Path) -> list[str]:
    """Write ``plots/*.png`` and return the Markdown lines that show them in solution.md."""
    from openglia.report import data

    run = data.read(run_dir.resolve())
    return _write_images(run.folder, _plots(run))


def write_index(folder: Path) -> Path:
    """Write ``index.html``, which compares the runs in ``folder``.

    Raises:
        UsageError: there is no run in it.
    """
    from openglia.report import data, index

    folder = folder.resolve()
    runs = [data.read(path) for path in sorted(folder.iterdir()) if data.is_run(path)]
    if not runs:
        raise UsageError(f"{folder} holds no run folder; ./run.sh makes one in generated/")
    path = folder / "index.html"
    write_atomically(path, index.render(runs, folder))
    return path


def _plots(run: "Run") -> "list[Plot | Absent]":
    from openglia.report import measured, plots, request_plots
    from openglia.report.drawing import Absent

    drawn = [plots.routers(run), plots.pairs(run), plots.progress(run)]
    try:
        again = measured.measure(run)
    except measured.NotMeasured as reason:
        return [
            *drawn,
            Absent("response_times", "Distribution of response times", str(reason)),
            Absent("timeline", "KV cache and queues over time", str(reason)),
        ]
    return [*drawn, request_plots.distribution(again), request_plots.timeline(again)]


def _write_images(folder: Path, plots: "list[Plot | Absent]") -> list[str]:
    from openglia.report.drawing import Absent, png

    lines = []
    for plot in plots:
        image = folder / "plots" / f"{plot.name}.png"
        if isinstance(plot, Absent):
            image.unlink(missing_ok=True)  # of an earlier report: it would show what is not so
            continue
        write_atomically(image, png(plot))
        lines += [f"![{plot.title}. {plot.alt}](plots/{image.name})", "", plot.caption, ""]
    return lines
