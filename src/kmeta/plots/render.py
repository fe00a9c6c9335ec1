"""A drawing as PNG and PDF bytes, replayed on matplotlib's renderers; no pyplot, no display, no settings changed."""

from __future__ import annotations

import io
from collections.abc import Mapping
from threading import Lock
from typing import Any

from kmeta.plots.drawing import Disc, Item, Shape, Stroke, Text
from kmeta.plots.faces import EM, FONTS, face

# The PDF backend reads its font type from matplotlib's global settings: one thread at a time may set them.
_PDF = Lock()


class _Replay:
    """Paints items on a matplotlib renderer whose unit is `scale` a point and whose y runs upwards."""

    def __init__(self, renderer: Any, palette: Mapping[str, str], height: float, scale: float) -> None:
        from matplotlib.transforms import Affine2D

        self.renderer, self.palette = renderer, palette
        self.height, self.scale = height, scale
        self.place = Affine2D().scale(scale, -scale).translate(0, height * scale)

    def paint(self, items: tuple[Item, ...]) -> None:
        for item in items:
            if isinstance(item, Text):
                self._text(item)
            elif isinstance(item, Stroke):
                self._stroke(item)
            elif isinstance(item, Shape):
                self._closed(_path(item.points, close=True), item, item.opacity)
            else:
                self._closed(_circle(item), item, 1.0)

    def _pen(self, colour: str, width: float, opacity: float = 1.0) -> Any:
        pen = self.renderer.new_gc()
        pen.set_foreground(self.palette[colour])
        pen.set_linewidth(width)
        pen.set_joinstyle("miter")
        pen.set_capstyle("butt")
        pen.set_alpha(opacity)
        return pen

    def _stroke(self, item: Stroke) -> None:
        pen = self._pen(item.colour, item.width, item.opacity)
        if item.dash:
            pen.set_dashes(0, list(item.dash))
        self.renderer.draw_path(pen, _path(item.points), self.place, None)
        pen.restore()

    def _closed(self, path: Any, item: Shape | Disc, opacity: float) -> None:
        from matplotlib.colors import to_rgb

        pen = self._pen(item.outline or item.fill, item.width if item.outline else 0.0, opacity)
        face = to_rgb(self.palette[item.fill]) if item.fill else None
        self.renderer.draw_path(pen, path, self.place, face)
        pen.restore()

    def _text(self, item: Text) -> None:
        along = -item.start
        for run in item.runs:
            x = item.x - run.rise if item.turned else item.x + along
            y = item.y - along if item.turned else item.y - run.rise
            self._run(run, x, y, turned=item.turned)
            along += run.width

    def _run(self, run: Any, x: float, y: float, *, turned: bool) -> None:
        """Outlines, so that a picture holds exactly what was measured."""
        from matplotlib.colors import to_rgb
        from matplotlib.transforms import Affine2D

        path = _text_path(run.text, run.face)
        if path is None:
            return
        unit = run.size / EM * self.scale
        turn = Affine2D().scale(unit)
        if turned:
            turn.rotate_deg(90)
        turn.translate(x * self.scale, (self.height - y) * self.scale)
        pen = self._pen(run.colour, 0.0)
        pen.set_snap(False)
        self.renderer.draw_path(pen, path, turn, to_rgb(self.palette[run.colour]))
        pen.restore()


class _PdfReplay(_Replay):
    """The same with text as text, its font embedded."""

    def _run(self, run: Any, x: float, y: float, *, turned: bool) -> None:
        from matplotlib.font_manager import FontProperties

        font = FontProperties(fname=FONTS / face(run.face).path.name, size=run.size)
        pen = self._pen(run.colour, 0.0)
        self.renderer.draw_text(pen, x, self.height - y, run.text, font, 90 if turned else 0)
        pen.restore()


def _path(points: tuple[tuple[float, float], ...], *, close: bool = False) -> Any:
    from matplotlib.path import Path

    path = Path([*points, points[0]] if close else list(points), closed=close)
    path.should_simplify = False
    return path


def _circle(item: Disc) -> Any:
    from matplotlib.path import Path

    return Path.circle((item.x, item.y), item.r)


def _text_path(text: str, name: Any) -> Any:
    import numpy as np
    from matplotlib.path import Path

    drawn = face(name)
    vertices, codes = [], []
    for x, char in zip(drawn.positions(text)[0], text, strict=True):
        outline, letters = drawn.outline(char)
        if letters:
            vertices.append(np.add(outline, (x, 0.0)))
            codes.append(np.asarray(letters, dtype=np.uint8))
    if not vertices:
        return None
    path = Path(np.concatenate(vertices), np.concatenate(codes))
    path.should_simplify = False
    return path


def write_png(
    items: tuple[Item, ...], *, width: float, height: float, palette: Mapping[str, str], dpi: int
) -> bytes:
    """Pixels with their resolution noted, nothing else; text is outlines."""
    import numpy as np
    from matplotlib.backends.backend_agg import RendererAgg
    from PIL import Image

    scale = dpi / 72
    pixels = round(width * scale), round(height * scale)
    renderer: Any = RendererAgg(*pixels, dpi)  # type: ignore[no-untyped-call]
    paper = Shape(((0, 0), (width + 1, 0), (width + 1, height + 1), (0, height + 1)), "paper")
    _Replay(renderer, palette, pixels[1] / scale, scale).paint((paper, *items))
    image = Image.fromarray(np.ascontiguousarray(np.asarray(renderer.buffer_rgba())[:, :, :3]))
    out = io.BytesIO()
    image.save(out, "PNG", dpi=(dpi, dpi), compress_level=6)
    return out.getvalue()


def write_pdf(
    pages: tuple[tuple[tuple[Item, ...], float, float], ...], *, palette: Mapping[str, str], title: str
) -> bytes:
    """One page a drawing; TrueType fonts embedded, no date, no maker."""
    import matplotlib as mpl
    from matplotlib.artist import Artist
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure as Canvas

    class Page(Artist):
        def __init__(self, items: tuple[Item, ...], height: float) -> None:
            super().__init__()
            self.items, self.tall = items, height

        def draw(self, renderer: Any) -> None:
            _PdfReplay(renderer, palette, self.tall, 1.0).paint(self.items)

    out = io.BytesIO()
    metadata = {"Title": title, "Creator": None, "Producer": None, "CreationDate": None}
    settings: Any = {
        "pdf.fonttype": 42,
        "pdf.compression": 6,
        "pdf.use14corefonts": False,
        "text.usetex": False,
    }
    with _PDF, mpl.rc_context(settings), PdfPages(out, metadata=metadata) as pdf:
        for items, width, height in pages:
            canvas = Canvas(figsize=(width / 72, height / 72), facecolor="none", layout=None)
            canvas.add_artist(Page(items, height))
            pdf.savefig(canvas, bbox_inches=None, pad_inches=0, facecolor="none", edgecolor="none")
    return out.getvalue()
