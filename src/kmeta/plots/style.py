"""Sizes, colours and presets shared by all figures; lengths are points at final size."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kmeta.core.errors import InputError

POINTS_PER_MM = 72 / 25.4
MARGIN = 3.0
MAX_HEIGHT_MM = 234.0

BODY, AXIS, NOTE, MARK = 7.5, 7.0, 6.5, 5.5
MARK_RISE = 2.2
LINE, THIN, POOLED_LINE = 0.75, 0.5, 0.6
POOLED_DASH = (2.2, 1.6)
# A baseline sits this share of the type size under the centre of its row.
BASELINE = 0.36

# Classes and arms in the order in which arms of one figure take them; measured for colour-blind readers.
CLASS_ORDER = (
    "resection",
    "transplantation",
    "locoregional",
    "systemic",
    "multimodal",
    "mixed",
    "conservative",
)
DASHES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "resection": (),
        "transplantation": (4, 1.6),
        "locoregional": (1.5, 1.5),
        "systemic": (6, 1.5, 1.5, 1.5),
        "multimodal": (6, 1.5, 1.5, 1.5, 1.5, 1.5),
        "mixed": (3, 3),
        "conservative": (0.8, 2.2),
    }
)
MARKS: Mapping[str, str] = MappingProxyType(
    {
        "resection": "square",
        "transplantation": "diamond",
        "locoregional": "triangle",
        "systemic": "circle",
        "multimodal": "triangle-down",
        "mixed": "plus",
        "conservative": "ring",
    }
)

_JOURNAL = {
    "ink": "#1A1A1A",
    "secondary": "#595959",
    "rule": "#8A8A8A",
    "grid": "#E4E4E4",
    "band": "#F2F4F6",
    "paper": "#FFFFFF",
    "phase": "#BCD2E6",
    "included": "#EAF1F8",
    "pooled": "#004E7C",
    "subtotal": "#5E86AE",
    "density-tail": "#D7DCE2",
    "density": "#8FA9C4",
    "regression": "#7F3500",
    "contour-0": "#F7F9FA",
    "contour-1": "#C9D3DD",
    "contour-2": "#E6EAEE",
    "resection": "#004E7C",
    "transplantation": "#7F3500",
    "locoregional": "#966600",
    "systemic": "#007554",
    "multimodal": "#6C3E58",
    "mixed": "#3E86AE",
    "conservative": "#7D8285",
}


def _grey(colour: str) -> str:
    """The grey of equal relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    value = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
    return f"#{round(255 * value):02X}" + f"{round(255 * value):02X}" * 2


# Dark mode is for the web alone: the inks of the dark page, the same geometry.
DARK: Mapping[str, str] = MappingProxyType(
    {
        "ink": "#EBE8E1",
        "secondary": "#BDC2C3",
        "rule": "#727D84",
        "grid": "#2D3438",
        "band": "#232A2E",
        "paper": "#1B2023",
        "phase": "#2B4456",
        "included": "#22323D",
        "pooled": "#6690BF",
        "subtotal": "#88A9CF",
        "density-tail": "#39444C",
        "density": "#4F6C8C",
        "regression": "#CE5B00",
        "contour-0": "#1E2428",
        "contour-1": "#3B4750",
        "contour-2": "#2B343A",
        "resection": "#6690BF",
        "transplantation": "#CE5B00",
        "locoregional": "#E69F00",
        "systemic": "#3FA57F",
        "multimodal": "#B16891",
        "mixed": "#92C7EE",
        "conservative": "#B7B9BA",
    }
)
PRESETS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "journal": MappingProxyType(_JOURNAL),
        "mono": MappingProxyType({role: _grey(colour) for role, colour in _JOURNAL.items()}),
    }
)


def palette(preset: str) -> Mapping[str, str]:
    """role -> colour of a preset; InputError names the presets there are."""
    if preset not in PRESETS:
        raise InputError(
            f"no figure preset is named {preset!r}", where="preset", hint="one of " + ", ".join(PRESETS)
        )
    return PRESETS[preset]


def points(width_mm: float) -> float:
    """A figure's width in points; InputError outside 60 to 400 mm, where nothing can be laid out."""
    if not 60 <= width_mm <= 400:
        raise InputError(
            f"{width_mm:g} mm is no width of a figure", where="width_mm", hint="journals take 85, 114 or 174"
        )
    return width_mm * POINTS_PER_MM


def class_role(treatment_class: str) -> str:
    """The colour role of a treatment class; the pooled blue where a pool has no class."""
    return treatment_class if treatment_class in MARKS else "pooled"


def arm_role(index: int) -> str:
    """The colour role of the arm at `index` of a figure."""
    return CLASS_ORDER[index % len(CLASS_ORDER)]
