"""File names as text. A Linux name is bytes; JSON, SQL and terminals want Unicode."""

import os
import re

_ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2})")


def escape(path: str) -> str:
    r"""Return ``path`` as clean Unicode: undecodable bytes become ``\xNN``, a backslash is doubled."""
    if path.isascii() and "\\" not in path:
        return path
    return os.fsencode(path).replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def unescape(text: str) -> str:
    """Undo :func:`escape`."""
    if "\\" not in text:
        return text
    return os.fsdecode(_ESCAPE.sub(_raw, text).encode("utf-8", "surrogateescape"))


def _raw(match: re.Match[str]) -> str:
    code = match.group(1)
    return "\\" if code == "\\" else bytes([int(code[1:], 16)]).decode("utf-8", "surrogateescape")
