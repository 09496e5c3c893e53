"""A batch: which results are to be made, which are kept, and what must not be replaced."""

from collections.abc import Sequence
from pathlib import Path

from data.errors import InputError
from data.ledger import Ledger
from data.stacks import Stack

Job = tuple[Stack, Path]
"""A scene and where its result goes."""


def protect_files(jobs: Sequence[Job]) -> None:
    """Refuses results that would replace a source, or each other on file systems that do not tell case apart.

    Raises:
        InputError: on the first of them.
    """
    sources = {path.resolve() for stack, _ in jobs for path in stack.images}
    names: dict[str, Path] = {}
    for _, output in jobs:
        if output.resolve() in sources:
            raise InputError(f"{output} is one of the source images; choose another output.")
        other = names.setdefault(str(output).casefold(), output)
        if other is not output:
            raise InputError(f"{other} and {output} differ by case alone; rename one scene.")


def plan(jobs: Sequence[Job], ledger: Ledger, *, resume: bool, overwrite: bool) -> tuple[list[Job], list[Job]]:
    """Sorts out which results are to be made and which are kept.

    Args:
        jobs: All of the batch.
        ledger: Knows which results are up to date.
        resume: Whether those are kept.
        overwrite: Whether others that exist are replaced.

    Raises:
        InputError: if a result would be replaced without being asked for.
    """
    kept = [job for job in jobs if resume and ledger.is_current(*job)]
    rest = [job for job in jobs if job not in kept]
    existing = [job[1] for job in rest if job[1].is_file() and not (resume and ledger.was_interrupted(*job))]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        other = ", made from other images or settings" if resume else ""
        raise InputError(f"{existing[0]}{more} exists already{other}; --overwrite replaces it.")
    return rest, kept
