"""JSON files: one form for writing, so that equal content is equal bytes, and clear errors for reading.

What the documents mean is known to the rooms that make them.
"""

from __future__ import annotations

import json
import math
from typing import Any

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.layout import Group, kind_of


def dump_json(value: object) -> bytes:
    """A value as the bytes of a file: sorted keys, one space of indent, UTF-8, a newline at the end.

    Raises:
        BadInputError: for what JSON cannot hold (NaN, infinity, a datetime, a key that is not text), naming
            where in the value it is.
    """
    problem = _find_unwritable(value, "")
    if problem is not None:
        raise BadInputError(
            f"A document cannot be written: {problem}", kept="The file that was there is unchanged",
            remedy="Give text, finite numbers, true, false, null, lists and objects with text keys",
        )  # fmt: skip
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def load_json(data: bytes, name: str) -> Any:
    """The value in a JSON file.

    Args:
        name: The file, as the error should name it.

    Raises:
        BadInputError: when it is not JSON, or an object gives the same key twice.
    """
    try:
        return json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise _unreadable(name, "it is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise _unreadable(name, f"{error.msg} in line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise _unreadable(name, "it is nested too deeply") from error
    except ValueError as error:
        raise _unreadable(name, str(error)) from error


def _unreadable(name: str, why: str) -> BadInputError:
    return BadInputError(
        f"{name} is not a readable JSON file: {why}", kept="Nothing was overwritten", remedy=_remedy(name)
    )


def _remedy(name: str) -> str:
    kind = kind_of(name)
    if kind is not None and kind.group is Group.REFERENCE:  # written by people: no run makes it again
        return f"Mend it by hand or restore it from git: `git checkout -- {name}` in the data root"
    return "Correct it, restore it with `git checkout -- FILE` in the data root, or materialize it again"


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def _find_unwritable(value: object, where: str) -> str | None:
    """What cannot be written and where, in words; None when all can."""
    at = f" at {where}" if where else ""
    match value:
        case None | bool() | int():
            return None
        case float():
            return None if math.isfinite(value) else f"{value} is not a JSON number{at}"
        case str():
            return None if _is_text(value) else f"text that UTF-8 cannot hold{at}"
        case dict():
            bad_key = next((key for key in value if not isinstance(key, str) or not _is_text(key)), None)
            if bad_key is not None:
                return f"the key {bad_key!r} is not text{at}"
            inner = ((item, f"{where}.{key}" if where else str(key)) for key, item in value.items())
        case list() | tuple():
            inner = ((item, f"{where}[{index}]") for index, item in enumerate(value))
        case _:
            return f"a {type(value).__name__} is not a JSON value{at}"
    return next((problem for item, place in inner if (problem := _find_unwritable(item, place))), None)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
