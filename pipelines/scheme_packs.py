"""Scheme packs: finding and reading the rules of the year that a month falls in.

Belongs here: files to `pricing.scheme.Scheme`. Does not belong here: what a pack must
hold (`pricing.scheme`).
"""

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.workspace import UserError, Workspace
from pricing.scheme import Scheme, SchemePackError, read_scheme


@dataclass(frozen=True, slots=True)
class SchemePack:
    """A scheme as read from a pack, with what identifies the file."""

    scheme: Scheme
    path: Path
    sha256: str


def scheme_for(workspace: Workspace, on: date) -> SchemePack:
    """The scheme whose year holds a day, as in force on it."""
    paths = sorted((workspace.data / "schemes").glob("*.toml"))
    for path in paths:
        content = path.read_bytes()
        pack = _parse(path, content)
        start, end = pack.get("effective_from"), pack.get("effective_to")
        if not isinstance(start, date) or not isinstance(end, date):
            raise UserError(f"{path.name}: 'effective_from' and 'effective_to' must be dates.")
        if start <= on <= end:
            try:
                scheme = read_scheme(pack, on)
            except SchemePackError as error:
                faults = "\n".join(f"  {path.name}: {fault}" for fault in error.faults)
                raise UserError(f"The scheme pack cannot be used:\n{faults}") from error
            return SchemePack(scheme, path, hashlib.sha256(content).hexdigest())
    years = ", ".join(path.stem for path in paths) or "none"
    raise UserError(
        f"No scheme pack covers {on:%Y-%m}. There are packs for: {years}. "
        f"Add one to {workspace.shown(workspace.data / 'schemes')}."
    )


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} is not a TOML file: {error}") from error
