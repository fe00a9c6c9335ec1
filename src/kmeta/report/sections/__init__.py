"""One file a section: each registers itself in SECTIONS, so a new section is a new file here and nothing else."""

from importlib import import_module
from pkgutil import iter_modules

for _module in sorted(found.name for found in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")
