"""One tree of errors: each says where, what was expected and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


class ReviewError(Exception):
    """The root: whatever kmeta raises on purpose.

    Attributes: `message` what is wrong; `where` file:line, column, study or argument; `hint` what to do next.
    The faces turn `exit_code` and `http_status` into theirs, in one place each.
    """

    exit_code: int = 1
    http_status: int = 500

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message, self.where, self.hint = message, where, hint

    def __str__(self) -> str:
        first = ": ".join(filter(None, [self.where, self.message]))
        return first + (f"\n  hint: {self.hint}" if self.hint else "")

    def to_dict(self) -> dict[str, object]:
        """The error as plain values, for `--json` and the web."""
        return {
            "error": type(self).__name__,
            "message": self.message,
            "where": self.where,
            "hint": self.hint,
        }


class InputError(ReviewError, ValueError):
    """What the caller gave cannot be used as it is."""

    exit_code, http_status = 2, 422


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: `where` is file:line or file:line column."""

    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class FormatError(InputError):
    """A file that cannot be read as what it should be; `problems` holds every fault found in it."""

    def __init__(
        self, message: str, *, where: str = "", hint: str = "", problems: tuple[Problem, ...] = ()
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.problems = problems

    def __str__(self) -> str:
        shown = [f"  {problem}" for problem in self.problems[:20]]
        if len(self.problems) > 20:
            shown.append(f"  ... and {len(self.problems) - 20} more")
        return "\n".join([super().__str__(), *shown])

    def to_dict(self) -> dict[str, object]:
        """As the root's, with every problem."""
        rows = [{"where": p.where, "message": p.message, "hint": p.hint} for p in self.problems]
        return {**super().to_dict(), "problems": rows}


class Problems:
    """Gathers every fault of a file before anything is said; then all are said together."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[Problem] = []

    def add(self, place: str, message: str, hint: str = "") -> None:
        """Note one fault at `place` (a line, a column) of the file."""
        self.found.append(Problem(f"{self.where}:{place}" if place else self.where, message, hint))

    def __bool__(self) -> bool:
        return bool(self.found)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.found)

    def raise_if_any(
        self, hint: str = "nothing was changed; correct the file and run the command again"
    ) -> None:
        """Raise one FormatError with all faults, if there are any."""
        if self.found:
            n = len(self.found)
            raise FormatError(
                f"{n} problem{'s' if n > 1 else ''} found",
                where=self.where,
                hint=hint,
                problems=tuple(self.found),
            )


class ConvergenceError(ReviewError):
    """An iteration did not reach its tolerance; `last` holds the last iterate, never used as a result."""

    def __init__(self, message: str, *, last: object = None, where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where, hint=hint)
        self.last = last


class ProjectError(ReviewError):
    """A folder that is no project, is newer than this kmeta, or cannot be read or written."""

    exit_code, http_status = 2, 409


class StoreError(ProjectError):
    """The disk or the database refused: full, read-only, locked or damaged."""

    exit_code, http_status = 1, 500


class EditConflict(ReviewError):
    """Two people changed the same thing; `ours` and `theirs` hold both versions."""

    exit_code, http_status = 1, 409

    def __init__(
        self, message: str, *, ours: object, theirs: object, where: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.ours, self.theirs = ours, theirs
