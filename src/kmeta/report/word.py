"""The document as a Word file: real styles, tables, captions and cross-references, figures as SVG with a PNG.

The same document gives the same bytes: no clock, fixed order and times in the archive.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from kmeta.report import ooxml
from kmeta.report.align import padding
from kmeta.report.document import (
    SPANNING,
    Block,
    Bullets,
    Document,
    Heading,
    Paragraph,
    Picture,
    Row,
    Run,
    Runs,
    Table,
)
from kmeta.report.figures import FigureLike, pages_of

# The PNG is for word processors that cannot show the SVG.
FALLBACK_DPI = 200
HIGHEST_MM = 234.0
STYLES = {"body": "Normal", "lead": "Lead", "note": "Note"}
_BAND = '<w:shd w:val="clear" w:color="auto" w:fill="F2F4F6"/>'
_HEAD_RULE = '<w:tcBorders><w:bottom w:val="single" w:sz="6" w:space="0" w:color="1A1A1A"/></w:tcBorders>'
_ROW_RULE = '<w:tcBorders><w:top w:val="single" w:sz="4" w:space="0" w:color="E4E4E4"/></w:tcBorders>'
_BOTTOM = '<w:vAlign w:val="bottom"/>'
# What python-docx's own template brings along and the report does not use.
_UNUSED = ("stylesWithEffects", "thumbnail", "customXml", "webSettings", "theme", "fontTable")


def to_word(document: Document, figures: Mapping[str, FigureLike]) -> bytes:
    """The file."""
    return _Writer(document, figures).write()


class _Writer:
    def __init__(self, document: Document, figures: Mapping[str, FigureLike]) -> None:
        import docx

        self.document, self.figures = document, figures
        self.numbers = document.numbers()
        self.marks = {key: f"_Ref{1000 + i}" for i, key in enumerate(self.numbers)}
        self.word = docx.Document()
        self.part = self.word.part
        self.drawn = 0
        self.lists = 3
        self.out: list[str] = []

    def write(self) -> bytes:
        self._prepare()
        self.out.append(ooxml.paragraph("Kicker", ooxml.text_run(self.document.kicker)))
        self.out.append(ooxml.paragraph("Title", ooxml.text_run(self.document.title)))
        for line in self.document.lines:
            self.out.append(ooxml.paragraph("Kicker", self._inline(line)))
        self._contents()
        wide = False
        for block, turned in zip(self.document.blocks, self.document.landscape(), strict=True):
            if turned != wide:
                self._end_section(landscape=wide)
                wide = turned
            self._block(block, wide)
        self._fill(landscape=wide)
        packed = io.BytesIO()
        self.word.save(packed)
        return _same_bytes(packed.getvalue())

    def _end_section(self, *, landscape: bool) -> None:
        """Pages of the other orientation follow: what was written so far becomes a section of its own."""
        section = ooxml.page(landscape=landscape, footer=self.footer)
        self.out.append(f'<w:p><w:pPr><w:pStyle w:val="AfterTable"/>{section}</w:pPr></w:p>')

    def _fill(self, *, landscape: bool) -> None:
        from docx.oxml import parse_xml

        body = self.part.element.body
        for child in list(body):
            body.remove(child)
        last = ooxml.page(landscape=landscape, footer=self.footer)
        whole = parse_xml(f"<w:body {ooxml.NAMESPACES}>{''.join(self.out)}{last}</w:body>".encode())
        for child in list(whole):
            body.append(child)

    def _block(self, block: Block, wide: bool) -> None:
        if isinstance(block, Heading):
            self._heading(block)
        elif isinstance(block, Paragraph):
            keep = "<w:keepNext/>" if block.keep_with_next else ""
            self.out.append(ooxml.paragraph(STYLES[block.kind], self._inline(block.runs), keep))
        elif isinstance(block, Bullets):
            self._bullets(block)
        elif isinstance(block, Table):
            self._table(block, wide)
        else:
            self._picture(block)

    def _heading(self, heading: Heading) -> None:
        inside = ooxml.text_run(heading.text)
        if heading.key in self.marks:
            inside = self._marked(heading.key, inside)
        self.out.append(ooxml.paragraph(f"Heading{heading.level}", inside))

    def _bullets(self, block: Bullets) -> None:
        style, properties = ("ListSmall" if block.small else "ListBullet"), ""
        if block.ordered:
            style, properties = "ListNumber", f'<w:numPr><w:numId w:val="{self._new_list()}"/></w:numPr>'
        for item in block.items:
            self.out.append(ooxml.paragraph(style, self._inline(item), properties))

    def _new_list(self) -> int:
        """A list that counts from one again."""
        from docx.oxml import parse_xml

        self.lists += 1
        self.numbering.append(
            parse_xml(
                f'<w:num {ooxml.NAMESPACES} w:numId="{self.lists}"><w:abstractNumId w:val="3"/>'
                '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
            )
        )
        return self.lists

    def _table(self, block: Table, wide: bool) -> None:
        self.out.append(ooxml.paragraph("TableCaption", self._caption("Table", block.key, block.caption)))
        total = sum(column.mm for column in block.columns)
        widths = [column.mm * ooxml.text_width(wide) / total for column in block.columns]
        head = "".join(
            ooxml.cell(
                ooxml.text_run(column.title),
                mm,
                style="TableHead",
                align=column.align,
                extra=_HEAD_RULE + _BOTTOM,
                indent=indent,
            )
            for column, mm, indent in zip(block.columns, widths, _indents(block), strict=True)
        )
        rows = [ooxml.row(head, head=True)]
        for i, (row, pads) in enumerate(zip(block.rows, padding(block), strict=True)):
            rows.append(self._row(block, row, widths, pads, first=i == 0))
        told = "".join(run.text for run in block.caption)
        self.out.append(ooxml.table("".join(rows), widths, f"{self.numbers[block.key]}. {told}"))
        for note in block.notes:
            self.out.append(ooxml.paragraph("TableNote", self._inline(note)))
        self.out.append(ooxml.paragraph("AfterTable", ""))

    def _row(self, block: Table, row: Row, widths: list[float], pads: dict[int, str], *, first: bool) -> str:
        if row.kind in SPANNING:
            band = row.kind == "band"
            inside = self._inline(row.cells[0], italic=row.kind == "remark")
            return ooxml.row(
                ooxml.cell(
                    inside,
                    sum(widths),
                    style={"band": "TableHead", "remark": "TableText", "detail": "TableDetail"}[row.kind],
                    span=len(widths),
                    extra=_BAND if band else "",
                )
            )
        bold = row.kind == "total"
        rule = "" if first else _ROW_RULE
        return ooxml.row(
            "".join(
                ooxml.cell(
                    self._inline(inside, bold=bold) + (ooxml.text_run(pads[i]) if i in pads else ""),
                    mm,
                    align=column.align,
                    extra=rule,
                    indent=indent,
                )
                for i, (inside, mm, column, indent) in enumerate(
                    zip(row.cells, widths, block.columns, _indents(block), strict=True)
                )
            )
        )

    def _picture(self, block: Picture) -> None:
        for i, page in enumerate(pages_of(self.figures[block.name])):
            name = f"{block.name}-part-{i + 1}" if i else block.name
            # A figure that is higher than a page and does not come in parts is made to fit.
            shrunk = min(1.0, HIGHEST_MM / page.height_mm)
            self.drawn += 1
            inside = ooxml.drawing(
                number=self.drawn,
                name=f"{self.numbers[block.key]}: {page.title}",
                alt=page.alt,
                width_mm=page.width_mm * shrunk,
                height_mm=page.height_mm * shrunk,
                png=self._media(name, "png", page.png(FALLBACK_DPI)),
                svg=self._media(name, "svg", page.svg(text_as_paths=True).encode()),
            )
            self.out.append(ooxml.paragraph("Figure", inside))
        told = (*block.what, Run(" "), *block.result) if block.result else block.what
        self.out.append(ooxml.paragraph("Caption", self._caption("Figure", block.key, told)))
        for note in block.notes:
            self.out.append(ooxml.paragraph("TableNote", self._inline(note)))

    def _media(self, name: str, kind: str, blob: bytes) -> str:
        """A picture as a part of the package; gives its relationship."""
        from docx.opc.constants import RELATIONSHIP_TYPE
        from docx.opc.packuri import PackURI
        from docx.opc.part import Part

        content = {"png": "image/png", "svg": "image/svg+xml"}[kind]
        part = Part(PackURI(f"/word/media/{name}.{kind}"), content, blob, self.part.package)
        return str(self.part.relate_to(part, RELATIONSHIP_TYPE.IMAGE))

    def _caption(self, label: str, key: str, told: Runs) -> str:
        number = self.numbers[key].removeprefix(f"{label} ")
        counted = ooxml.text_run(f"{label} ", "<w:b/>") + ooxml.field(
            f"SEQ {label} \\* ARABIC", number, "<w:b/>"
        )
        return self._marked(key, counted) + ooxml.text_run(". ", "<w:b/>") + self._inline(told)

    def _marked(self, key: str, inside: str) -> str:
        mark = self.marks[key]
        return ooxml.bookmark(int(mark.removeprefix("_Ref")), mark, inside)

    def _inline(self, of: Runs, *, bold: bool = False, italic: bool = False) -> str:
        return ooxml.inline(of, refer=self._refer, link=self._link, bold=bold, italic=italic)

    def _refer(self, run: Run) -> str:
        if run.ref not in self.marks:
            return ooxml.text_run("the text")
        shown, mark = self.numbers[run.ref], self.marks[run.ref]
        if shown.startswith("Section "):
            return ooxml.text_run("Section ") + ooxml.field(
                f"REF {mark} \\r \\h", shown.removeprefix("Section ")
            )
        return ooxml.field(f"REF {mark} \\h", shown)

    def _link(self, address: str) -> str:
        from docx.opc.constants import RELATIONSHIP_TYPE

        return str(self.part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True))

    def _contents(self) -> None:
        """A contents field with its entries; without page numbers, which only the word processor knows."""
        sections = self.document.sections()
        if not sections:
            return
        self.out.append(ooxml.paragraph("ContentsHeading", ooxml.text_run("Contents")))
        begin = (
            '<w:r><w:fldChar w:fldCharType="begin"/></w:r>'
            '<w:r><w:instrText xml:space="preserve"> TOC \\o "1-1" \\n \\h \\z </w:instrText></w:r>'
            '<w:r><w:fldChar w:fldCharType="separate"/></w:r>'
        )
        for i, heading in enumerate(sections):
            number = self.numbers[heading.key].removeprefix("Section ")
            entry = ooxml.text_run(f"{number}\u2002{heading.text}")
            inside = f'<w:hyperlink w:anchor="{self.marks[heading.key]}">{entry}</w:hyperlink>'
            end = '<w:r><w:fldChar w:fldCharType="end"/></w:r>' if i == len(sections) - 1 else ""
            self.out.append(ooxml.paragraph("TOC1", (begin if i == 0 else "") + inside + end))

    def _prepare(self) -> None:
        """Our styles, lists and settings in place of the template's; what is left of it is taken out."""
        from docx.opc.constants import RELATIONSHIP_TYPE as REL
        from docx.opc.packuri import PackURI
        from docx.opc.part import Part
        from docx.oxml import parse_xml

        for rels in (self.part.rels, self.part.package.rels):
            for key in [k for k, rel in rels.items() if rel.reltype.rpartition("/")[2] in _UNUSED]:
                del rels[key]
        for kind, name in ((REL.STYLES, "styles"), (REL.NUMBERING, "numbering"), (REL.SETTINGS, "settings")):
            self._related(kind)._element = parse_xml(_template(f"{name}.xml"))
        self.numbering = self._related(REL.NUMBERING)._element
        footer = Part(
            PackURI("/word/footer1.xml"),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.footer+xml",
            self._footer().encode(),
            self.part.package,
        )
        self.footer = str(self.part.relate_to(footer, REL.FOOTER))
        self._properties()

    def _related(self, kind: str) -> Any:
        return self.part.part_related_by(kind)

    def _footer(self) -> str:
        short = self.document.title if len(self.document.title) <= 90 else self.document.title[:88] + " …"
        inside = (
            ooxml.text_run(f"{short}  |  page ")
            + ooxml.field("PAGE", "1")
            + ooxml.text_run(" of ")
            + ooxml.field("NUMPAGES", "1")
        )
        declared = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        return f"{declared}<w:ftr {ooxml.NAMESPACES}>{ooxml.paragraph('Footer', inside)}</w:ftr>"

    def _properties(self) -> None:
        """Title and language; no dates, for the same review gives the same file."""
        core: Any = self.word.core_properties
        core.title, core.author, core.language = self.document.title[:255], "kmeta", self.document.language
        core.comments, core.last_modified_by, core.keywords = "", "kmeta", ""
        for element in list(core._element):
            if element.tag.rpartition("}")[2] in ("created", "modified", "lastPrinted"):
                core._element.remove(element)


def _indents(block: Table) -> list[int]:
    """Twips of air to the right of a number column that words follow."""
    following = [*[column.align for column in block.columns[1:]], "right"]
    return [
        170 if column.align == "right" and after == "left" else 0
        for column, after in zip(block.columns, following, strict=True)
    ]


def _template(name: str) -> bytes:
    return files("kmeta.report").joinpath("templates", "word", name).read_bytes()


def _same_bytes(packed: bytes) -> bytes:
    """The archive with fixed order and times."""
    done = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as before, zipfile.ZipFile(done, "w") as after:
        for name in sorted(
            before.namelist(), key=lambda n: (n != "[Content_Types].xml", n != "_rels/.rels", n)
        ):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 0, 0
            after.writestr(entry, before.read(name), compresslevel=6)
    return done.getvalue()
