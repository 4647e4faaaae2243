r"""Names and other text that any terminal, log, database and receiver can carry.

A Linux name is bytes; JSON, SQL and terminals want clean Unicode, and a log wants one line. There is one
notation for what they cannot carry: ``\xNN`` for a control character or an undecodable byte, ``\uNNNN`` for
the rest.
"""

import re

#: Controls, line separators, and surrogates: an undecodable byte 0xNN reaches Python as U+DCNN.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPE = re.compile(r"\\(?:(\\)|x([0-9a-f]{2})|u([0-9a-f]{4}))")


def escape(path: str) -> str:
    r"""Return ``path`` as clean Unicode on one line; a backslash is doubled. :func:`unescape` undoes it."""
    return one_line(path.replace("\\", "\\\\"))


def unescape(text: str) -> str:
    """Undo :func:`escape`."""
    return _ESCAPE.sub(_read_back, text) if "\\" in text else text


def one_line(text: str) -> str:
    """Write what cannot be shown as :func:`escape` does, and leave all else alone; twice does no harm.

    For reasons, warnings and log fields, which may quote a name that is escaped already.
    """
    return text if text.isascii() and text.isprintable() else _UNSHOWABLE.sub(_written_out, text)


def nameable(text: str) -> str:
    """Put ``_`` for what cannot be shown, for names of files of our own."""
    return _UNSHOWABLE.sub("_", text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _read_back(match: re.Match[str]) -> str:
    backslash, byte, unit = match.groups()
    if backslash:
        return "\\"
    code = int(byte or unit, 16)
    return chr(0xDC00 + code) if byte and code >= 0x80 else chr(code)
