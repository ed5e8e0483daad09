"""Settings that come from outside (JSON, TOML): which kind of value each takes, said before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from core.errors import UserError


def check_values(values: dict[str, Any], kinds: dict[str, str], where: str) -> None:
    """kinds: the name of every setting and its annotation as text; `where` names the values in a complaint.

    Raises UserError for a setting that is not there and a value of another kind. 0 is no count, but a seed.
    """
    for name, value in values.items():
        if name not in kinds:
            raise UserError(f"{where}: there is no setting '{name}'; there is: {', '.join(kinds)}.")
        fits, wanted = _KINDS[kinds[name]]
        if not fits(value) or (value == 0 and kinds[name] == "int" and name != "seed"):
            raise UserError(f"{where}: '{name}' takes {wanted}, not {value!r}.")


def check_side(size: int, by: int, what: str) -> None:
    """Raises UserError where a network could not put its pictures together again as it halved them."""
    if size % by:
        raise UserError(f"{what} halves its pictures, so their side is a multiple of {by}, which {size} is not.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_count(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int)


def _is_paths(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(path, str) for path in value)


def _is_bands(value: Any) -> bool:
    def is_band(band: Any) -> bool:
        return (
            isinstance(band, list)
            and len(band) in (2, 3)
            and _is_count(band[0])
            and _is_number(band[1])
            and all(isinstance(colour, bool) for colour in band[2:])
        )

    return isinstance(value, list) and all(is_band(band) for band in value)


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "bool": (lambda v: isinstance(v, bool), "true or false"),
    "int": (_is_count, "a whole number above 0"),
    "float": (_is_number, "a number, 0 or more"),
    "str": (lambda v: isinstance(v, str), "a word"),
    "str | None": (lambda v: isinstance(v, str), "a path"),
    "tuple[str, ...]": (_is_paths, "a list of paths"),
    "tuple[Band, ...]": (_is_bands, "a list of [side, limit] or [side, limit, colour]"),
}
