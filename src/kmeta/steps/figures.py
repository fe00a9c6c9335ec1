"""Which figures a review has, and their drawing on one or several processes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kmeta.core.progress import Progress, silent
from kmeta.report.contents import Contents
from kmeta.steps.work import spread

if TYPE_CHECKING:
    from kmeta.plots.figure import Figure

PNG_DPI = (200, 600)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure already rendered, with the face of `plots.figure.Figure`: bytes that can cross processes.

    `pages` holds the parts of a figure that is higher than a page; empty where it is not.
    """

    title: str
    alt: str
    width_mm: float
    height_mm: float
    svg_paths: str
    svg_text: str
    pngs: Mapping[int, bytes]
    data: str
    pages: tuple[Drawn, ...] = ()

    def svg(self, text_as_paths: bool = True) -> str:
        """The drawing with its text as outlines (for journals and Word) or as text (for the web)."""
        return self.svg_paths if text_as_paths else self.svg_text

    def png(self, dpi: int = 600) -> bytes:
        """The picture at one of the resolutions that were rendered."""
        return self.pngs[dpi]

    def csv(self) -> str:
        """The numbers behind the figure."""
        return self.data


def plan(contents: Contents) -> dict[str, tuple[str, Any]]:
    """name of the figure -> (name of the plot, what it shows), in the order of the report."""
    wanted: dict[str, tuple[str, Any]] = {"prisma-flow": ("prisma_flow", contents.flow)}
    plots = {"survival_at": "forest_survival", "hazard_ratio": "forest_ratio", "median": "median_figure"}
    for synthesis in contents.syntheses:
        shown = sum(len(pool.lines) + len(pool.apart) for pool in synthesis.pools)
        if shown > 1 and synthesis.plan.kind in plots:  # one row is a sentence, no figure
            wanted[synthesis.name] = (plots[synthesis.plan.kind], synthesis)
    if contents.strategy.table:
        wanted["strategy"] = ("strategy_figure", contents.strategy)
    return wanted


def figures(contents: Contents) -> dict[str, Figure]:
    """Every figure laid out, rendered when asked: for pages."""
    return {name: _lay_out(piece) for name, piece in plan(contents).items()}


def draw_all(
    contents: Contents, *, pool: Executor | None = None, progress: Progress = silent
) -> dict[str, Drawn]:
    """Every figure rendered in all its forms: for the report."""
    wanted = plan(contents)
    with progress("Drawing figures", len(wanted)) as tick:
        return dict(zip(wanted, spread(_draw, list(wanted.values()), pool, tick), strict=True))


def _lay_out(piece: tuple[str, Any]) -> Figure:
    from kmeta.plots import PLOTS

    name, shown = piece
    return PLOTS[name](shown)


def _draw(piece: tuple[str, Any]) -> Drawn:
    figure = _lay_out(piece)
    parts = figure.pages if len(figure.pages) > 1 else ()
    return _rendered(figure, tuple(_rendered(part) for part in parts))


def _rendered(figure: Figure, pages: tuple[Drawn, ...] = ()) -> Drawn:
    return Drawn(
        title=figure.title,
        alt=figure.alt,
        width_mm=figure.width_mm,
        height_mm=figure.height_mm,
        svg_paths=figure.svg(),
        svg_text=figure.svg(text_as_paths=False),
        pngs={dpi: figure.png(dpi=dpi) for dpi in PNG_DPI},
        data=figure.csv(),
        pages=pages,
    )
