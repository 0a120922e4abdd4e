"""Office documents made of their XML, for tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence

from assets.elements.document import Block, Reading
from assets.elements.parsing import count_visible
from assets.elements.readers.office.word import read_docx

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"


DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"


NAMES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    f'xmlns:m="{OFFICE}/math" xmlns:r="{OFFICE}/relationships" xmlns:a="{DRAWING}/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    f'xmlns:c="{DRAWING}/chart" xmlns:dgm="{DRAWING}/diagram" xmlns:wp="{DRAWING}/wordprocessingDrawing" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main" xmlns:v="urn:schemas-microsoft-com:vml"'
)


def package(members: dict[str, str]) -> bytes:
    """Make a zip archive of texts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.getvalue()


def relations(targets: dict[str, tuple[str, str]]) -> str:
    """Write the relations of a part: kinds and targets by id."""
    entries = "".join(
        f'<Relationship Id="{name}" Type="{OFFICE}/relationships/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{entries}</Relationships>'
    )


def word(body: str, **parts: str) -> bytes:
    """Make a Word document of its body's XML and of further parts, by name."""
    targets = {name: (name, f"{name}.xml") for name in ("styles", "numbering", "footnotes", "endnotes", "settings")}
    targets |= {
        "rIdChart": ("chart", "charts/chart1.xml"),
        "rIdData": ("diagramData", "diagrams/data1.xml"),
        "rIdHead": ("header", "header1.xml"),
    }
    members = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": relations({"rId1": ("officeDocument", "word/document.xml")}),
        "word/document.xml": f"<w:document {NAMES}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": relations(targets),
    }
    files = {"chart": "word/charts/chart1.xml", "data": "word/diagrams/data1.xml", "header": "word/header1.xml",
             "core": "docProps/core.xml"}  # fmt: skip
    return package(members | {files.get(name, f"word/{name}.xml"): text for name, text in parts.items()})


def p(*inner: str, style: str = "", properties: str = "") -> str:
    """Write a paragraph."""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{properties}</w:pPr>{''.join(inner)}</w:p>"


def r(text: str, properties: str = "") -> str:
    """Write a run."""
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def ruby(base: str, reading: str) -> str:
    """Write furigana."""
    return f"<w:r><w:ruby><w:rubyPr/><w:rt>{r(reading)}</w:rt><w:rubyBase>{r(base)}</w:rubyBase></w:ruby></w:r>"


def styles(*inner: str) -> str:
    """Write styles."""
    return f"<w:styles {NAMES}>{''.join(inner)}</w:styles>"


def style(name: str, title: str, properties: str = "", run: str = "", base: str = "") -> str:
    """Write a paragraph style."""
    based = f'<w:basedOn w:val="{base}"/>' if base else ""
    return (
        f'<w:style w:type="paragraph" w:styleId="{name}"><w:name w:val="{title}"/>{based}'
        f"<w:pPr>{properties}</w:pPr><w:rPr>{run}</w:rPr></w:style>"
    )


def cell(*inner: str, properties: str = "") -> str:
    """Write a cell of a table."""
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{''.join(inner)}</w:tc>"


def row(*cells: str, properties: str = "") -> str:
    """Write a row of a table."""
    return f"<w:tr><w:trPr>{properties}</w:trPr>{''.join(cells)}</w:tr>"


def table(*rows: str, properties: str = "") -> str:
    """Write a table."""
    return f"<w:tbl><w:tblPr>{properties}</w:tblPr>{''.join(rows)}</w:tbl>"


def read(content: bytes, reader: Callable[[bytes], Reading] = read_docx) -> list[Block]:
    """Return a document's blocks, after the check that nothing is lost."""
    reading = reader(content)
    blocks = list(reading.blocks)
    assert reading.visible is not None
    assert sum(count_visible(block.text) for block in blocks) >= reading.visible
    return blocks


def texts(blocks: Sequence[Block]) -> list[str]:
    """Return the blocks' texts."""
    return [block.text.strip() for block in blocks]


def note(name: str, text: str, kind: str = "") -> str:
    """Write a footnote."""
    return f'<w:footnote w:id="{name}" {kind}>{p("<w:r><w:footnoteRef/></w:r>", r(text))}</w:footnote>'


def diagram(*lines: str) -> str:
    """Write the data of a SmartArt diagram."""
    points = "".join(f"<dgm:pt><dgm:t><a:p><a:r><a:t>{line}</a:t></a:r></a:p></dgm:t></dgm:pt>" for line in lines)
    return f"<dgm:dataModel {NAMES}><dgm:ptLst>{points}</dgm:ptLst></dgm:dataModel>"


def chart(title: str, series: str, categories: Sequence[str]) -> str:
    """Write a chart."""
    points = "".join(f"<c:pt><c:v>{name}</c:v></c:pt>" for name in categories)
    titled = f"<c:title><c:tx><c:rich><a:p><a:r><a:t>{title}</a:t></a:r></a:p></c:rich></c:tx></c:title>"
    named = f"<c:tx><c:strRef><c:strCache><c:pt><c:v>{series}</c:v></c:pt></c:strCache></c:strRef></c:tx>"
    along = f"<c:cat><c:strRef><c:strCache>{points}</c:strCache></c:strRef></c:cat>"
    plot = f"<c:plotArea><c:ser>{named}{along}</c:ser></c:plotArea>"
    return f"<c:chartSpace {NAMES}><c:chart>{titled}{plot}</c:chart></c:chartSpace>"


def numbering(**formats: str) -> str:
    """Write lists: level text and format by number, as `n1="第%1条 japaneseCounting"`."""
    lists = ""
    for name, value in formats.items():
        text, form = value.split(" ")
        lists += (
            f'<w:abstractNum w:abstractNumId="{name[1:]}"><w:lvl w:ilvl="0"><w:start w:val="1"/>'
            f'<w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl></w:abstractNum>'
        )
    lists += "".join(f'<w:num w:numId="{name[1:]}"><w:abstractNumId w:val="{name[1:]}"/></w:num>' for name in formats)
    return f"<w:numbering {NAMES}>{lists}</w:numbering>"


def item(text: str, number: int) -> str:
    """Write an item of a list."""
    return p(r(text), properties=f'<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{number}"/></w:numPr>')
