"""Build the example review of neuroendocrine liver metastases: CSV evidence and a protocol -> an archive folder.

    python tools/build_nelm.py [--evidence DIR] [--protocol FILE] [--to DIR]

Run it with the Python of .venv after the evidence or the protocol was changed. DIR holds the CSV files named in
TABLES (default: ../shared/nelm, beside the checkout); FILE is the protocol, by default the `review.toml` of the example
itself, which a person edits. The same input gives the same bytes: every act is signed with the name of the example
and dated with one fixed moment, for no person did it at any other.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kmeta.core.errors import ReviewError
from kmeta.formats.evidence import read_evidence_folder
from kmeta.formats.protocol import read_protocol
from kmeta.project import Project, archive
from kmeta.review.evidence import Evidence
from kmeta.review.record import Decision

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT.parent / "shared" / "nelm"
EXAMPLE = ROOT / "src" / "kmeta" / "examples" / "nelm"

WHO = "nelm example"
AT = "2026-11-01T00:00:00Z"
# The files of the evidence, in the order in which they are added.
TABLES = (
    "studies.csv",
    "arms.csv",
    "survival.csv",
    "comparisons.csv",
    "overlaps.csv",
    "published-pooled-results.csv",
    "decision-criteria.csv",
    "records.csv",
)
WHY = {
    "studies": "example evidence: one row a study, as read in the source its note names",
    "arms": "example evidence: arms and reported subgroups, as read in the source of each",
    "estimates": "example evidence: survival values, as printed in the source of each",
    "comparisons": "example evidence: hazard ratios and tests, as printed in the source of each",
    "overlaps": "example evidence: studies that share or may share patients, with the reason",
    "published": "example evidence: results of earlier reviews, to stand beside ours",
    "criteria": "example evidence: who gets which treatment, with the source of each",
    "records": "example records: bibliographic entries that were met while the evidence was read",
    "decisions": "example decisions: judged from title and abstract for this example, by no person",
}
SOURCES = """\
# Where the example comes from

The CSV files beside this one are the evidence of the example as it was collected, byte for byte. Each row names the
source it was read in: most are abstracts, some are tables of earlier reviews (second hand), a few are pages about a
paper. Nothing was filled in from memory; a cell that a source does not print is empty.

| file | what |
| --- | --- |
| studies.csv | one row a study; `source_note` says how much was read and what is odd |
| arms.csv | one row an arm or a reported subgroup |
| survival.csv | survival probabilities, medians, means, restricted means |
| comparisons.csv | hazard ratios and other comparisons |
| overlaps.csv | pairs of studies that share or may share patients |
| published-pooled-results.csv | results of earlier reviews: outputs, never inputs |
| decision-criteria.csv | who gets which treatment, as facts with sources |
| records.csv | bibliographic records met, with a label; no abstracts |

A seeded third of the first collection and all of the second were read again against their sources, and no error was
found. Values read second hand need checking against the paper before anything is published from them.

Licence: facts and numbers only, with citations; no text of a paper is copied.
"""


def example_evidence(files: Mapping[str, bytes]) -> Evidence:
    """The nouns of the CSV files; labels of records become decisions signed with the name of the example."""
    read = read_evidence_folder({name: files[name] for name in TABLES}, reviewer=WHO)
    placed = tuple(replace(criterion, place=place) for place, criterion in enumerate(read.criteria, 1))
    return replace(read, criteria=placed, decisions=tuple(map(with_plain_reason, read.decisions)))


def with_plain_reason(decision: Decision) -> Decision:
    """`review (use for citation chasing)` is the reason `review` and a note, so that equal reasons count together."""
    found = re.fullmatch(r"(.+?) \((.+)\)", decision.reason)
    return replace(decision, reason=found[1], note=found[2]) if found else decision


def build(files: Mapping[str, bytes], protocol: str, to: Path) -> None:
    """Write the archive of the example into the new folder `to`."""
    known = read_protocol(protocol, where="review.toml")
    evidence = example_evidence(files)
    unknown = sorted({d.reason for d in evidence.decisions if d.reason} - set(known.reasons))
    if unknown:
        sys.exit(f"build_nelm.py: not among the reasons of review.toml: {', '.join(unknown)}")
    with (
        tempfile.TemporaryDirectory() as scratch,
        Project.create(Path(scratch) / "review", protocol, who=WHO, at=AT) as project,
    ):
        for name in TABLES:
            why = "example evidence as it was collected, byte for byte"
            project.add_file(files[name], name=name, who=WHO, why=why, at=AT)
        why = "where the example comes from, and its licence"
        project.add_file(SOURCES.encode(), name="sources.md", who=WHO, why=why, at=AT)
        for field, why in WHY.items():
            project.add(getattr(evidence, field), who=WHO, why=why, at=AT)
        archive(project, to)


def main() -> None:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--evidence", type=Path, default=EVIDENCE, help="folder of the CSV files")
    parser.add_argument("--protocol", type=Path, default=EXAMPLE / "review.toml", help="the protocol")
    parser.add_argument("--to", type=Path, default=EXAMPLE, help="the archive folder, replaced as a whole")
    chosen = parser.parse_args()
    missing = [name for name in TABLES if not (chosen.evidence / name).is_file()]
    if missing:
        sys.exit(
            f"build_nelm.py: {chosen.evidence} has no {', '.join(missing)}\n  hint: name the folder by --evidence"
        )
    files = {name: (chosen.evidence / name).read_bytes() for name in TABLES}
    protocol = chosen.protocol.read_bytes().decode()
    with tempfile.TemporaryDirectory(dir=chosen.to.parent) as scratch:
        made = Path(scratch) / "archive"
        try:
            build(files, protocol, made)
        except ReviewError as error:
            sys.exit(f"build_nelm.py: {error}")
        if chosen.to.exists():
            shutil.rmtree(chosen.to)
        made.rename(chosen.to)
    written = [path for path in chosen.to.rglob("*") if path.is_file()]
    print(f"{chosen.to}: {len(written)} files, {sum(path.stat().st_size for path in written):,} bytes")


if __name__ == "__main__":
    main()
