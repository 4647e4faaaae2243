"""What is wrong with a setting, in the words of who wrote it, not of the library that checks it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_OUT_OF_RANGE = "{given} is out of range (allowed: {bounds})"
_NOT_AMONG = "{given} is not allowed (allowed: {expected})"

#: By the library's name for the mistake; filled in with what it says of it.
_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "missing": "is missing",
        "extra_forbidden": "is not a known setting",
        "union_tag_not_found": "has no kind; each destination says which it is (allowed: 'http', 'filedrop')",
        "union_tag_invalid": "has the unknown kind '{tag}' (allowed: {expected_tags})",
        "literal_error": _NOT_AMONG,
        "enum": _NOT_AMONG,
        "string_pattern_mismatch": "{given} is not allowed (allowed: what matches {pattern})",
        "string_too_short": "must not be empty",
        "too_short": "must not be empty",
        "too_long": "has too many entries (allowed: {max_length})",
        "multiple_of": "{given} is not allowed (allowed: multiples of {multiple_of})",
        "string_too_long": "is too long (allowed: at most {max_length} characters)",
        "greater_than": _OUT_OF_RANGE,
        "greater_than_equal": _OUT_OF_RANGE,
        "less_than": _OUT_OF_RANGE,
        "less_than_equal": _OUT_OF_RANGE,
        "value_error": "{error}",
    }
)
#: By the beginning of that name.
_MUST_BE: Mapping[str, str] = MappingProxyType(
    {
        "int_": "a whole number",
        "float_": "a number",
        "finite_number": "a number",
        "bool_": "true or false",
        "string_type": "text in quotes",
        "path_type": "text in quotes",
        "tuple_": "a list in [brackets]",
        "dict_": "a table",
        "model_": "a table",
        "url_": "an address such as http://mes.example:8080/results",
    }
)
_BOUNDS: Mapping[str, str] = MappingProxyType(
    {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
)


def complaint(detail: ErrorDetails, field: FieldInfo | None) -> str:
    """Say what is wrong with one value, and what would be allowed.

    Parameters
    ----------
    field
        The setting the value was meant for, where there is one.
    """
    given = _given(detail["input"])
    sentence = _SENTENCES.get(detail["type"])
    if sentence is not None:
        broken = detail.get("ctx", {})
        return sentence.format(given=given, bounds=_bounds(field) or _bound(broken), **broken)
    wanted = next((words for start, words in _MUST_BE.items() if detail["type"].startswith(start)), None)
    return f"must be {wanted}, not {given}" if wanted else f"{detail['msg']}, not {given}"


def _given(value: Any) -> str:  # noqa: ANN401 — whatever TOML and the environment can hold
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            shown = repr(value)
            return shown if len(shown) <= 80 else f"{shown[:77]}..."
        case dict():
            return "a table"
        case list() | tuple():
            return "a list"
    return f"a {type(value).__name__}"


def _bounds(field: FieldInfo | None) -> str:
    limits = field.metadata if field else []
    said = [
        f"{words} {getattr(limit, name):g}"
        for name, words in _BOUNDS.items()
        for limit in limits
        if hasattr(limit, name)
    ]
    return " and ".join(said)


def _bound(broken: Mapping[str, Any]) -> str:
    """Say which limit was broken by an entry of a list, whose limits the setting itself does not know."""
    return " and ".join(f"{words} {broken[name]:g}" for name, words in _BOUNDS.items() if name in broken)
