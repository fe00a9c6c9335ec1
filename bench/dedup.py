"""De-duplication of labelled sets: pairwise precision, recall and F1, unique papers lost, what is asked, seconds.

    python dev.py bench dedup [--data DIR]

DIR holds `benchmarks/dedup` (or is that folder): NAME_records.csv.gz with NAME_truth.csv.gz (ID, cluster) or
NAME_flags.csv.gz (ID, flag_duplicate). Labels are read for scoring only. "links found" counts a labelled pair that is
linked as reports of one study, and not merged, as found too. Two synthetic sizes tell the cost.
"""

from __future__ import annotations

import csv
import gzip
import random
import re
import resource
import time
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import kmeta as km
from kmeta.methods.dedup import Duplicates
from kmeta.review.record import Record

NAME = "dedup"
TARGETS = {"diabetes": 0.998, "stroke": 0.998, "haematology": 0.92, "copper": 1.0, "digital_work": 0.98}
BEST = {"diabetes": 1.0, "stroke": 0.998, "haematology": 0.9, "copper": 1.0, "digital_work": 0.926}
SIZES = (100_000,)
SEED = 20261124


def run(data: Path) -> dict[str, Any]:
    """Score every labelled set, then time synthetic ones."""
    folder = data / "benchmarks" / "dedup" if (data / "benchmarks" / "dedup").is_dir() else data
    sets = [path.name.removesuffix("_records.csv.gz") for path in sorted(folder.glob("*_records.csv.gz"))]
    rows = [scored(folder, name) for name in sets]
    print(
        f"{'set':14}{'records':>9}{'P':>8}{'R':>8}{'F1':>8}{'links too':>11}{'lost':>6}{'ask':>6}{'link':>6}{'s':>7}"
    )
    for row in rows:
        print(
            f"{row['set']:14}{row['records']:>9}{row['precision']:>8.4f}{row['recall']:>8.4f}{row['f1']:>8.4f}"
            f"{row['f1_with_links']:>11.4f}{row['lost']:>6}{row['ask']:>6}{row['link']:>6}{row['seconds']:>7.2f}"
        )
    pool = [record for name in sets for record in records(folder / f"{name}_records.csv.gz")]
    costs = [cost(pool, size) for size in SIZES] if pool else []
    for row in costs:
        print(
            f"{row['records']:,} records: {row['cpu']:.1f} s CPU, {row['seconds']:.1f} s, {row['mb']} MB at most"
        )
    met = sum(round(row["f1"], 3) >= row["target"] and row["lost"] <= 1 for row in rows)
    figures = {"sets": rows, "cost": costs, "seed": SEED}
    peers = {
        "best known F1": {
            "diabetes": 1.0,
            "stroke": 0.998,
            "haematology": 0.9,
            "copper": 1.0,
            "digital_work": 0.926,
        }
    }
    return {
        "name": NAME,
        "passed": met,
        "failed": len(rows) - met,
        "unsupported": 0,
        "figures": figures,
        "peers": peers,
    }


def records(path: Path) -> list[Record]:
    """The records of a set as an import would give them."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        return [record(row) for row in csv.DictReader(stream)]


def record(row: dict[str, str]) -> Record:
    """One row as a record."""
    year = re.search(r"\d{4}", row["year"])
    return Record(
        record_id=row["ID"],
        title=row["title"],
        authors=tuple(row["author"].split(" and ")) if row["author"] else (),
        year=int(year[0]) if year else None,
        journal=row["journal"] or row["booktitle"],
        volume=row["volume"],
        issue=row["number"],
        pages=row["pages"],
        doi=row["doi"],
        issn=tuple(row["isbn"].split()),
        abstract=row["abstract"],
    )


def scored(folder: Path, name: str) -> dict[str, Any]:
    """One set: found against labelled."""
    given = records(folder / f"{name}_records.csv.gz")
    start = time.perf_counter()
    found = km.find_duplicates(given)
    seconds = time.perf_counter() - start
    truth = folder / f"{name}_truth.csv.gz"
    score = by_clusters(found, truth) if truth.exists() else by_flags(found, folder / f"{name}_flags.csv.gz")
    counts = {"ask": len(found.asks), "link": len(found.related), "target": TARGETS.get(name, 0.0)}
    return {"set": name, "records": len(given), **score, **counts, "seconds": seconds}


def by_clusters(found: Duplicates, path: Path) -> dict[str, Any]:
    """Pairs of one cluster against pairs of one group; a group of k clusters lost k - 1 papers."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        cluster = {row["ID"]: row["cluster"] for row in csv.DictReader(stream)}
    labelled = sum(n * (n - 1) // 2 for n in Counter(cluster.values()).values())
    hit = [cluster[a] == cluster[b] for group in found.groups for a, b in combinations(group.ids, 2)]
    linked = closed(found, cluster) - sum(hit)
    lost = sum(len({cluster[each] for each in group.ids}) - 1 for group in found.groups)
    return {
        **measures(sum(hit), len(hit), labelled),
        "f1_with_links": f1(sum(hit) + linked, len(hit) + linked, labelled),
        "lost": lost,
    }


def closed(found: Duplicates, cluster: dict[str, str]) -> int:
    """Labelled pairs that are merged, or that a link joins, group by group."""
    head = {each: group.keep for group in found.groups for each in group.ids}
    members: dict[str, list[str]] = {}
    for each in cluster:
        members.setdefault(head.get(each, each), []).append(each)
    joined = {
        tuple(sorted((head.get(q.record_a, q.record_a), head.get(q.record_b, q.record_b))))
        for q in found.related
    }
    within = sum(cluster[a] == cluster[b] for group in members.values() for a, b in combinations(group, 2))
    across = sum(cluster[a] == cluster[b] for x, y in joined for a in members[x] for b in members[y])
    return within + across


def by_flags(found: Duplicates, path: Path) -> dict[str, Any]:
    """Records in some group against records flagged as having a duplicate."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        flagged = {row["ID"] for row in csv.DictReader(stream) if row["flag_duplicate"] == "1"}
    grouped = {each for group in found.groups for each in group.ids}
    hit = len(grouped & flagged)
    score = measures(hit, len(grouped), len(flagged))
    return {**score, "f1_with_links": score["f1"], "lost": len(grouped - flagged)}


def measures(hit: int, found: int, labelled: int) -> dict[str, float]:
    """Precision, recall, F1."""
    return {
        "precision": hit / max(found, 1),
        "recall": hit / max(labelled, 1),
        "f1": f1(hit, found, labelled),
    }


def f1(hit: int, found: int, labelled: int) -> float:
    """The harmonic mean of precision and recall."""
    return 2 * hit / max(found + labelled, 1)


def synthetic(pool: list[Record], n: int) -> list[Record]:
    """n records of words of the pool, a fifth of them altered copies of earlier ones; the same for the same seed."""
    draw = random.Random(SEED)
    words = [word for each in pool for word in each.title.split()]
    names = [name for each in pool for name in each.authors]
    made: list[Record] = []
    for i in range(n):
        if i and draw.random() < 0.2:
            old = made[draw.randrange(i)]
            title = old.title.upper() if draw.random() < 0.3 else old.title + "."
            made.append(
                replace(old, record_id=f"s{i}", title=title, doi="" if draw.random() < 0.5 else old.doi)
            )
            continue
        made.append(
            Record(
                record_id=f"s{i}",
                title=" ".join(draw.choices(words, k=12)),
                authors=tuple(draw.choices(names, k=4)),
                year=draw.randrange(1990, 2026),
                journal=draw.choice(pool).journal,
                volume=str(draw.randrange(1, 80)),
                pages=f"{draw.randrange(1, 2000)}-{draw.randrange(2, 9)}",
                doi=f"10.1000/{i}" if draw.random() < 0.6 else "",
                abstract=" ".join(draw.choices(words, k=60)),
            )
        )
    return made


def cost(pool: list[Record], n: int) -> dict[str, Any]:
    """CPU seconds and memory of n synthetic records."""
    given = synthetic(pool, n)
    start, cpu = time.perf_counter(), time.process_time()
    found = km.find_duplicates(given)
    spent = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    return {
        "records": n,
        "merged": found.n_merged,
        **spent,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
