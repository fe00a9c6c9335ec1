"""Results -> text and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kmeta.core.progress import Progress, silent

if TYPE_CHECKING:
    from kmeta.report.contents import Contents
    from kmeta.report.figures import FigureLike


def render(
    contents: Contents, figures: Mapping[str, FigureLike], progress: Progress = silent
) -> dict[str, bytes]:
    """The whole report: relative file name -> bytes. The same contents and figures give the same bytes.

    figures : name -> figure. A figure named as an analysis, or with its name as first or last part
        (`forest-os_60`), stands in its part of the report, `flow` in that of the PRISMA flow; others come at the end.
    Files: report.html, report.docx, results.json, analysis.R, tables/*.csv, figures/*.svg|png|csv.
    Raises InputError for figures whose names are no file names or that are no SVG, and for two values of one name.
    """
    from kmeta.report.compose import compose
    from kmeta.report.figures import PNG_DPI, check_names
    from kmeta.report.html import to_html
    from kmeta.report.results import to_results
    from kmeta.report.rscript import to_r
    from kmeta.report.tables import to_tables
    from kmeta.report.word import to_word

    check_names(figures)
    document, values = compose(contents, figures, progress)
    files: dict[str, bytes] = {}
    with progress("Drawing the figures of the report", len(figures)) as tick:
        for name, figure in figures.items():
            files[f"figures/{name}.png"] = figure.png(PNG_DPI)
            files[f"figures/{name}.svg"] = figure.svg(text_as_paths=True).encode()
            files[f"figures/{name}.csv"] = figure.csv().encode()
            tick()
    with progress("Writing the files of the report", 4) as tick:
        files["report.html"] = to_html(document, figures).encode()
        tick()
        files["report.docx"] = to_word(document, figures)
        tick()
        files["results.json"] = to_results(contents, document, values, figures)
        tick()
        files["analysis.R"] = to_r(contents)
        files |= {f"tables/{name}": table for name, table in to_tables(contents).items()}
        tick()
    return dict(sorted(files.items()))
