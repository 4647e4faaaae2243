"""Who made the microscope, by the tags in the file or the text beside it, and what they say."""

from __future__ import annotations

from dataclasses import replace

from semwatchd.adapters.picture import Decoded
from semwatchd.adapters.sidecar import as_text, read_sidecar
from semwatchd.adapters.vendors import noran, tescan
from semwatchd.adapters.vendors.aspex import read_aspex
from semwatchd.adapters.vendors.hitachi import read_hitachi
from semwatchd.adapters.vendors.jeol import read_jeol
from semwatchd.adapters.vendors.noran import read_noran
from semwatchd.adapters.vendors.said import VendorFacts, iso_time
from semwatchd.adapters.vendors.tescan import read_tescan
from semwatchd.adapters.vendors.thermo import read_thermo
from semwatchd.adapters.vendors.zeiss import read_cz_sem, read_fibics

MAX_TAG_BYTES = 1 << 20  # makers write some tens of kilobytes; megabytes of text are not read

_SOFTWARE, _DESCRIPTION, _DATE_TIME = 305, 270, 306
_XP_COMMENT, _XP_AUTHOR = 40092, 40093
_CZ_SEM, _FIBICS, _TESCAN = 34118, 51023, 50431
_FEI = {34682: "34682 FEI_HELIOS", 34680: "34680 FEI_SFEG"}


def vendor_facts(picture: Decoded, path: str) -> VendorFacts:
    """Facts of the maker: tags of the picture's page first, then a sidecar, else nothing."""
    height, width = picture.samples.shape
    facts = _of_tags(picture, width, height) or _of_sidecar(path, width, height) or VendorFacts()
    if facts.acquired_at is None:
        written = iso_time(_text(picture, _DATE_TIME), "%Y:%m:%d %H:%M:%S")
        facts = replace(facts, acquired_at=written)
    return facts


def _of_tags(picture: Decoded, width: int, height: int) -> VendorFacts | None:
    """Ask each maker's tag in turn."""
    for code, name in _FEI.items():
        if "[" in (text := _text(picture, code))[:4096]:
            return read_thermo(text, name, width, height)
    return _of_zeiss(picture, width) or _of_others(picture, width, height)


def _of_zeiss(picture: Decoded, width: int) -> VendorFacts | None:
    tags = picture.directory
    if _FIBICS in tags:  # before CZ_SEM: Atlas scans by itself, SmartSEM's magnification is then not its own
        return read_fibics(_text(picture, _FIBICS), width)
    if _CZ_SEM in tags:
        return read_cz_sem(_text(picture, _CZ_SEM), width)
    return None


def _of_others(picture: Decoded, width: int, height: int) -> VendorFacts | None:
    if any(mark in (text := _text(picture, _TESCAN)) for mark in tescan.MARKS):
        return read_tescan(text, f"{_TESCAN} TESCAN", height)
    for code, name in ((_XP_COMMENT, "40092 XPComment"), (_XP_AUTHOR, "40093 XPAuthor")):
        if "SemImageFile" in (text := _text(picture, code)):
            return read_hitachi(text, name, width)
    if "ASPEX" in _text(picture, _SOFTWARE):
        written = iso_time(_text(picture, _DATE_TIME), "%Y:%m:%d %H:%M:%S")
        facts = read_aspex(_text(picture, _DESCRIPTION))
        # The description's time is that of the analysis the picture belongs to.
        return replace(facts, acquired_at=written or facts.acquired_at)
    return read_noran() if noran.TAGS & picture.directory.keys() else None


def _of_sidecar(path: str, width: int, height: int) -> VendorFacts | None:
    found = read_sidecar(path)
    if found is None:
        return None
    beside, text = found
    where = f"sidecar {beside[-4:].lower()}"
    if text.startswith("$"):
        return read_jeol(text, width, height)
    if text.startswith(tescan.MARKS):
        return read_tescan(text, where, height)
    return read_hitachi(text, where, width)


def _text(picture: Decoded, code: int) -> str:
    """Text of a tag; empty where it is absent or too long, IncompleteError where the file ends before it."""
    tag = picture.directory.get(code)
    if tag is None or picture.tiff is None or tag.size > MAX_TAG_BYTES:
        return ""
    return as_text(picture.tiff.value(tag))
