"""Text that can leave the machine."""

import re

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Write undecodable bytes as ``\xNN``, as the journal does, and nothing else differently.

    A file name of undecodable bytes travels through Python as surrogates, which UTF-8 cannot carry; it must
    stop neither an event nor a log line nor a page. Not to be undone: see ``paths.escape`` for that.
    """
    return _LONE_SURROGATE.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
