"""The Word report opened by LibreOffice: it becomes a PDF with the right pages and words."""

import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from kmeta.report import render

EXAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "report_example.py"))
OFFICE = shutil.which("soffice")

pytestmark = [
    pytest.mark.office,
    pytest.mark.skipif(not OFFICE, reason="LibreOffice is not on this machine"),
]


@pytest.fixture(scope="module")
def pdf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("office")
    (folder / "report.docx").write_bytes(render(EXAMPLE["contents"](), EXAMPLE["figures"]())["report.docx"])
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    subprocess.run(
        [
            OFFICE,
            profile,
            "--headless",
            "--convert-to",
            "pdf",
            "--outdir",
            str(folder),
            str(folder / "report.docx"),
        ],
        check=True,
        capture_output=True,
        timeout=180,
    )
    return folder / "report.pdf"


def test_pages_are_a4_some_of_them_turned(pdf):
    if not shutil.which("pdfinfo"):
        pytest.skip("pdfinfo is not on this machine")
    told = subprocess.run(
        ["pdfinfo", "-l", "99", str(pdf)], capture_output=True, text=True, check=True
    ).stdout
    sizes = {
        tuple(round(float(w)) for w in line.split(":")[1].split()[:3:2])
        for line in told.split("\n")
        if "size:" in line and line.startswith("Page ")
    }
    assert sizes == {(595, 842), (842, 595)}


def test_the_words_arrive(pdf):
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext is not on this machine")
    told = subprocess.run(
        ["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True
    ).stdout
    for expected in ("1   Summary", "Table 1.", "Figure 1.", "Liver resection", "Second hand", "page 1 of"):
        assert " ".join(expected.split()) in " ".join(told.split())
