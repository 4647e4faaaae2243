"""Thermo NORAN: known by its private tags; they hold spectra, and no scale that is documented."""

from __future__ import annotations

from semwatchd.adapters.vendors.said import VendorFacts
from semwatchd.core.image import Vendor

TAGS = frozenset({34470, 34471})


def read_noran() -> VendorFacts:
    """Facts known from the tags' presence alone."""
    return VendorFacts(vendor=Vendor.NORAN)
