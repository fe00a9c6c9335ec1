"""The parts of Word's XML that a report needs, as text: runs, fields, tables, drawings.

ECMA-376 (Office Open XML), part 1; the SVG alternative of a picture is Microsoft's extension of the blip element.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.sax.saxutils import escape, quoteattr

from kmeta.report.document import Run, Runs, clean

NAMESPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture" '
    'xmlns:asvg="http://schemas.microsoft.com/office/drawing/2016/SVG/main"'
)
EMU_PER_MM = 36_000
_SVG_EXTENSION = "{96DAC541-7B7A-43D3-8B79-37D633B846F1}"


def twips(mm: float) -> int:
    """Millimetres as Word's twentieths of a point."""
    return round(mm * 1440 / 25.4)


def text_run(text: str, properties: str = "") -> str:
    """One run; `properties` is the inside of w:rPr."""
    inside = f"<w:rPr>{properties}</w:rPr>" if properties else ""
    return f'<w:r>{inside}<w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def field(code: str, shown: str, properties: str = "") -> str:
    """A field with the result it had when the file was written."""
    rpr = f"<w:rPr>{properties}</w:rPr>" if properties else ""
    return (
        f'<w:r>{rpr}<w:fldChar w:fldCharType="begin"/></w:r>'
        f'<w:r>{rpr}<w:instrText xml:space="preserve"> {escape(code)} </w:instrText></w:r>'
        f'<w:r>{rpr}<w:fldChar w:fldCharType="separate"/></w:r>'
        f"{text_run(shown, properties)}"
        f'<w:r>{rpr}<w:fldChar w:fldCharType="end"/></w:r>'
    )


def bookmark(number: int, name: str, inside: str) -> str:
    """`inside` between the two ends of a bookmark."""
    return (
        f'<w:bookmarkStart w:id="{number}" w:name={quoteattr(name)}/>{inside}<w:bookmarkEnd w:id="{number}"/>'
    )


def paragraph(style: str, inside: str, properties: str = "") -> str:
    """A paragraph in one of the report's styles."""
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{properties}</w:pPr>{inside}</w:p>'


def run_properties(run: Run, *, bold: bool = False, italic: bool = False) -> str:
    """The inside of w:rPr, in the order the schema wants."""
    return (
        ("<w:b/>" if run.bold or bold else "")
        + ("<w:i/>" if run.italic or italic else "")
        + ('<w:vertAlign w:val="superscript"/>' if run.raised else "")
    )


def inline(
    of: Runs,
    *,
    refer: Callable[[Run], str],
    link: Callable[[str], str],
    bold: bool = False,
    italic: bool = False,
) -> str:
    """Runs as XML; `refer` writes a reference to a table or figure, `link` gives the relationship of an address."""
    done: list[str] = []
    for run in of:
        if run.ref:
            done.append(refer(run))
        elif run.href:
            inside = text_run(
                run.text, '<w:rStyle w:val="Hyperlink"/>' + run_properties(run, bold=bold, italic=italic)
            )
            done.append(f'<w:hyperlink r:id="{link(run.href)}">{inside}</w:hyperlink>')
        else:
            done.append(text_run(run.text, run_properties(run, bold=bold, italic=italic)))
    return "".join(done)


def cell(
    inside: str,
    mm: float,
    *,
    style: str = "TableText",
    align: str = "left",
    span: int = 1,
    extra: str = "",
    indent: int = 0,
) -> str:
    """A table cell; `inside` is inline XML, `extra` goes into w:tcPr after the width and the span."""
    spans = f'<w:gridSpan w:val="{span}"/>' if span > 1 else ""
    jc = f'<w:ind w:right="{indent}"/>' if indent else ""
    jc += '<w:jc w:val="right"/>' if align == "right" else ""
    keep = "<w:keepNext/>" if style == "TableHead" else ""
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="{twips(mm)}" w:type="dxa"/>{spans}{extra}</w:tcPr>'
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{keep}{jc}</w:pPr>{inside}</w:p></w:tc>'
    )


def row(cells: str, *, head: bool = False) -> str:
    """A row that no page break splits; a head repeats on every page."""
    return f"<w:tr><w:trPr><w:cantSplit/>{'<w:tblHeader/>' if head else ''}</w:trPr>{cells}</w:tr>"


def table(rows: str, widths: list[float], description: str) -> str:
    """A table of fixed widths, mm, with rules above and below and no vertical ones."""
    grid = "".join(f'<w:gridCol w:w="{twips(mm)}"/>' for mm in widths)
    return (
        f'<w:tbl><w:tblPr><w:tblStyle w:val="ReportTable"/><w:tblW w:w="{sum(map(twips, widths))}" w:type="dxa"/>'
        '<w:tblLayout w:type="fixed"/><w:tblLook w:val="0420" w:firstRow="1" w:lastRow="0" w:firstColumn="0" '
        f'w:lastColumn="0" w:noHBand="0" w:noVBand="1"/><w:tblCaption w:val={quoteattr(description)}/></w:tblPr>'
        f"<w:tblGrid>{grid}</w:tblGrid>{rows}</w:tbl>"
    )


def drawing(
    *, number: int, name: str, alt: str, width_mm: float, height_mm: float, png: str, svg: str
) -> str:
    """A picture in the line: the PNG of relationship `png`, and the SVG of `svg` for those who can show it."""
    size = f'cx="{round(width_mm * EMU_PER_MM)}" cy="{round(height_mm * EMU_PER_MM)}"'
    told = f"name={quoteattr(clean(name))} descr={quoteattr(clean(alt))}"
    return (
        f'<w:r><w:drawing><wp:inline distT="0" distB="0" distL="0" distR="0"><wp:extent {size}/>'
        f'<wp:docPr id="{number}" {told}/>'
        '<wp:cNvGraphicFramePr><a:graphicFrameLocks noChangeAspect="1"/></wp:cNvGraphicFramePr>'
        '<a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic>'
        f'<pic:nvPicPr><pic:cNvPr id="{number}" {told}/><pic:cNvPicPr/></pic:nvPicPr>'
        f'<pic:blipFill><a:blip r:embed="{png}"><a:extLst><a:ext uri="{_SVG_EXTENSION}">'
        f'<asvg:svgBlip r:embed="{svg}"/></a:ext></a:extLst></a:blip><a:stretch><a:fillRect/></a:stretch>'
        f'</pic:blipFill><pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext {size}/></a:xfrm>'
        '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic>'
        "</wp:inline></w:drawing></w:r>"
    )


def page(*, landscape: bool, footer: str) -> str:
    """A section's end: A4, margins 25 and 20 mm, or landscape with 18 mm all round for wide tables."""
    wide, high = (297.0, 210.0) if landscape else (210.0, 297.0)
    upright, side = (18.0, 18.0) if landscape else (25.0, 20.0)
    turned = ' w:orient="landscape"' if landscape else ""
    margins = (
        f'w:top="{twips(upright)}" w:bottom="{twips(upright)}" w:left="{twips(side)}" w:right="{twips(side)}"'
    )
    return (
        f'<w:sectPr><w:footerReference w:type="default" r:id="{footer}"/><w:type w:val="nextPage"/>'
        f'<w:pgSz w:w="{twips(wide)}" w:h="{twips(high)}"{turned}/>'
        f'<w:pgMar {margins} w:header="{twips(10)}" w:footer="{twips(10)}" w:gutter="0"/></w:sectPr>'
    )


def text_width(landscape: bool) -> float:
    """Millimetres between the margins."""
    return 297.0 - 36.0 if landscape else 210.0 - 40.0
