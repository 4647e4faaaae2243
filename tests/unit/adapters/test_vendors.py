from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.adapters.reader import decode
from semwatchd.adapters.source import read_once
from semwatchd.adapters.vendors.aspex import read_aspex
from semwatchd.adapters.vendors.hitachi import read_hitachi
from semwatchd.adapters.vendors.jeol import read_jeol
from semwatchd.adapters.vendors.said import VendorFacts, kilovolts, metres, number, pixel_nm
from semwatchd.adapters.vendors.tescan import read_tescan
from semwatchd.adapters.vendors.thermo import read_thermo
from semwatchd.adapters.vendors.zeiss import read_cz_sem, read_fibics
from semwatchd.core.errors import DataError
from semwatchd.core.image import SemImage, Vendor
from tests.hostile_tiffs import build_tiff, gradient, grey_page, saved

THERMO = """[User]
Date=03/04/2022
Time=01:02:03 PM
[Beam]
HV=5000
Beam=EBeam
Scan=EScan
[EBeam]
WD=0.0041
[Scan]
PixelWidth=2.5e-009
PixelHeight=2.5e-009
[Image]
ResolutionX=48
ResolutionY=60
"""

ZEISS = """0
0
0
5.0e-009
AP_WD
WD =  4.5 mm
AP_IMAGE_PIXEL_SIZE
Image Pixel Size = 2.500 nm
AP_ACTUALKV
EHT = 10.00 kV
AP_DATE
Date :9 Dec 2019
AP_TIME
Time :1:18:36
""".replace("\n", "\r\n")

JEOL = """$SEM_DATA_VERSION 1
$CM_ACCEL_VOLT 7.00
$$SM_WD 10.5
$CM_DATE 2020/08/31
$CM_TIME 15:32:31
$$SM_MICRON_BAR 100
$$SM_MICRON_MARKER 1um
$CM_FULL_SIZE 48 60
"""

HITACHI = """[SemImageFile]
InstructName=SU8200
Date=03/04/2022
Time=13:02:03
DataSize=48x60
PixelSize=12.5
AcceleratingVoltage=15000 Volt
WorkingDistance=8100 um
"""

TESCAN = """[MAIN]
Date=2022-03-04
ImageStripSize=4
PixelSizeX=3e-9
PixelSizeY=3e-9
Time=13:02:03
[SEM]
HV=20000.0
WD=0.0095
"""


def test_thermo() -> None:
    assert read_thermo(THERMO, "34682 FEI_HELIOS", 48, 64) == VendorFacts(
        vendor=Vendor.THERMO,
        pixel_size_nm=2.5,
        pixel_size_source="34682 FEI_HELIOS [Scan] PixelWidth",
        hv_kv=5.0,
        wd_mm=4.1,
        acquired_at="2022-03-04T13:02:03",
        info_bar_rows=4,
    )


def test_thermo_of_another_size_says_nothing_of_the_bar() -> None:
    assert read_thermo(THERMO, "x", 96, 128).info_bar_rows is None


def test_thermo_with_oblong_pixels_is_told() -> None:
    facts = read_thermo(THERMO.replace("PixelHeight=2.5", "PixelHeight=3.5"), "x", 48, 64)
    assert facts.warnings[0].startswith("pixel_not_square: 2.5 nm across, 3.5 nm down")


@pytest.mark.parametrize(("width", "size_nm"), [(1024, 5.0), (2048, 2.5), (512, 10.0)])
def test_zeiss_refers_its_pixel_to_1024_columns(width: int, size_nm: float) -> None:
    facts = read_cz_sem(ZEISS, width)
    assert facts.pixel_size_nm == size_nm
    assert (facts.hv_kv, facts.wd_mm, facts.acquired_at) == (10.0, 4.5, "2019-12-09T01:18:36")
    assert bool(facts.warnings) == (width != 2048)  # where the file's own text disagrees, it is told


def test_zeiss_without_its_first_numbers_uses_the_image_pixel_size() -> None:
    facts = read_cz_sem(ZEISS.replace("5.0e-009", "nonsense"), 1024)
    assert (facts.pixel_size_nm, facts.pixel_size_source) == (2.5, "34118 CZ_SEM AP_IMAGE_PIXEL_SIZE")


def test_fibics() -> None:
    text = "<Fibics><Application><Date>2017-04-20T11:52:36.078+02:00</Date></Application>"
    text += "<Image><Width>48</Width></Image><Scan><Ux>0.0447</Ux><Vy>-0.0447</Vy></Scan></Fibics>"
    facts = read_fibics(text, 48)
    assert (facts.vendor, facts.pixel_size_nm, facts.acquired_at) == (
        Vendor.ZEISS,
        44.7,
        "2017-04-20T11:52:36",
    )
    assert read_fibics(text, 24).pixel_size_nm is None


def test_jeol() -> None:
    facts = read_jeol(JEOL, 48, 64)
    assert (facts.pixel_size_nm, facts.info_bar_rows, facts.hv_kv, facts.wd_mm) == (10.0, 4, 7.0, 10.5)
    assert (facts.acquired_at, facts.warnings) == ("2020-08-31T15:32:31", ())


def test_jeol_of_a_reduced_picture_has_no_pixel_size_but_a_bar() -> None:
    facts = read_jeol(JEOL, 24, 32)
    assert (facts.pixel_size_nm, facts.pixel_size_source, facts.info_bar_rows) == (None, None, 2)
    assert "describes a picture of 48 columns, the file has 24" in facts.warnings[0]


def test_newer_jeol_states_its_pixel_size() -> None:
    facts = read_jeol(JEOL + "$CM_PIXEL_SIZE 9.92nm\n", 48, 64)
    assert (facts.pixel_size_nm, facts.pixel_size_source) == (9.92, "sidecar .txt $CM_PIXEL_SIZE")


def test_hitachi() -> None:
    facts = read_hitachi(HITACHI, "sidecar .txt", 48)
    assert (facts.pixel_size_nm, facts.hv_kv, facts.wd_mm) == (12.5, 15.0, 8.1)
    assert facts.acquired_at == "2022-03-04T13:02:03"
    assert read_hitachi(HITACHI, "sidecar .txt", 96).pixel_size_nm is None


@pytest.mark.parametrize(
    "text", [TESCAN, "\0\1binary head\n" + TESCAN, TESCAN.replace("[MAIN]", "AccFrames=1")]
)
def test_tescan(text: str) -> None:
    facts = read_tescan(text, "50431 TESCAN", 64)
    assert (facts.pixel_size_nm, facts.hv_kv, facts.wd_mm, facts.info_bar_rows) == (3.0, 20.0, 9.5, 4)
    assert facts.acquired_at == "2022-03-04T13:02:03"


def test_aspex() -> None:
    facts = read_aspex("Pixel_Size=2.5E+0 µm\naccelerating_voltage=20 kV\nworking_distance=19 mm\n")
    assert (facts.vendor, facts.pixel_size_nm, facts.hv_kv, facts.wd_mm) == (Vendor.ASPEX, 2500.0, 20.0, 19.0)


@pytest.mark.parametrize("written", ["inf", "-2e-9", "1e300", "0", "NaN", "9" * 400, "nm", "1e-30"])
def test_a_pixel_size_that_cannot_be_is_left_out_and_told(written: str) -> None:
    facts = read_thermo(THERMO.replace("2.5e-009", written), "tag", 48, 64)
    assert facts.pixel_size_nm is None
    assert facts.warnings[-1].startswith("vendor_value: tag says")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(max_size=400), st.sampled_from([THERMO, ZEISS, JEOL, HITACHI, TESCAN]), st.integers(0, 300))
def test_no_text_makes_any_maker_raise(text: str, base: str, at: int) -> None:
    mixed = base[:at] + text + base[at + len(text) // 2 :]
    for facts in (
        read_thermo(mixed, "t", 48, 64),
        read_cz_sem(mixed, 48),
        read_fibics(mixed, 48),
        read_jeol(mixed, 48, 64),
        read_hitachi(mixed, "t", 48),
        read_tescan(mixed, "t", 64),
        read_aspex(mixed),
    ):
        assert facts.info_bar_rows is None or 0 <= facts.info_bar_rows < 64
        assert facts.pixel_size_nm is None or 1e-3 <= facts.pixel_size_nm <= 1e7


def test_units() -> None:
    assert metres("12.5 µm") == pytest.approx(12.5e-6)
    assert metres("100um") == pytest.approx(1e-4)
    assert metres("3 parsec") is None
    assert metres("7", "nm") == pytest.approx(7e-9)
    assert (number("x = -1.5e-3 V"), number("none"), number(None)) == (-1.5e-3, None, None)
    assert (kilovolts(-5000.0), kilovolts(0.0), pixel_nm(None)) == (5.0, None, None)


def with_tag(folder: Path, code: int, value: str | bytes) -> SemImage:
    path = folder / "x.tif"
    raw = value if isinstance(value, bytes) else value.encode("latin-1")
    path.write_bytes(saved(gradient(), metadata=None, extratags=[(code, 1, len(raw), raw, True)]))
    return decode(read_once(str(path)))


@pytest.mark.parametrize(
    ("code", "text", "vendor"),
    [
        (34682, THERMO, Vendor.THERMO),
        (34118, ZEISS, Vendor.ZEISS),
        (50431, "\1\2\3" + TESCAN, Vendor.TESCAN),
        (40092, HITACHI.encode("utf-16-le"), Vendor.HITACHI),
        (34471, "spectrum", Vendor.NORAN),
    ],
)
def test_the_maker_is_known_by_its_tag(tmp_path: Path, code: int, text: str | bytes, vendor: Vendor) -> None:
    image = with_tag(tmp_path, code, text)
    assert image.facts.vendor is vendor
    assert image.facts.pixel_size_nm is not None or vendor is Vendor.NORAN


def test_a_maker_text_beyond_the_end_means_a_copy_cut_short(tmp_path: Path) -> None:
    text = THERMO.encode()
    page = grey_page(16, 16, count=256, t34682=(2, tuple(text)))
    data = build_tiff(page, bytes(range(256)))
    at = data.index(struct.pack("<HHI", 34682, 2, len(text))) + 8
    moved = bytearray(data) + text
    struct.pack_into("<I", moved, at, len(data))
    path = tmp_path / "x.tif"
    path.write_bytes(moved)
    assert decode(read_once(str(path))).facts.vendor is Vendor.THERMO
    path.write_bytes(moved[:-5])
    with pytest.raises(DataError, match=r"the value of tag 34682 ends beyond the file .* cut short"):
        decode(read_once(str(path)))


def test_megabytes_of_text_are_not_read(tmp_path: Path) -> None:
    assert with_tag(tmp_path, 34682, THERMO + "x" * (1 << 21)).facts.vendor is Vendor.UNKNOWN


@pytest.mark.parametrize(
    ("name", "text", "vendor"),
    [
        ("x.txt", JEOL, Vendor.JEOL),
        ("x.txt", HITACHI, Vendor.HITACHI),
        ("x.tif.txt", HITACHI, Vendor.HITACHI),
        ("x.hdr", TESCAN, Vendor.TESCAN),
        ("x-tif.hdr", TESCAN, Vendor.TESCAN),
        ("x.txt", "my notes: PixelSize=4", Vendor.UNKNOWN),
    ],
)
def test_the_maker_is_known_by_the_text_beside(tmp_path: Path, name: str, text: str, vendor: Vendor) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(saved(gradient(), metadata=None))
    (tmp_path / name).write_text(text)
    assert decode(read_once(str(path))).facts.vendor is vendor


def test_a_printers_resolution_is_no_pixel_size(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(saved(gradient(), resolution=(300, 300), resolutionunit="INCH"))
    assert decode(read_once(str(path))).facts.pixel_size_nm is None
