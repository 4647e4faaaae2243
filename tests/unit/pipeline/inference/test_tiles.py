import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semwatchd.pipeline.inference.tiles import HALO_STEPS, joined, padded, tiles

SIDE = st.integers(16, 700)


@given(SIDE, SIDE, st.sampled_from([4, 8]), st.sampled_from([64, 256]))
def test_tiles_are_of_one_size_on_the_grid_and_cover_every_pixel_once(
    rows: int, columns: int, step: int, core_px: int
) -> None:
    pixels = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    whole, places = padded(pixels, step), list(tiles(rows, columns, step, core_px))
    shown = [np.asarray(whole[place.shown], np.float32) for place in places]
    assert len({part.shape for part in shown}) == 1
    assert all(side.start % step == 0 for place in places for side in place.shown)
    assert np.array_equal(joined(shown, places, (rows, columns)), pixels)
    counts = np.zeros((rows, columns), int)
    for place in places:
        counts[place.kept] += 1
    assert (counts == 1).all()


@given(SIDE, st.sampled_from([4, 8]))
def test_there_is_a_halo_on_every_side_but_the_pictures_own(rows: int, step: int) -> None:
    whole, halo = rows + -rows % step, HALO_STEPS * step
    for place in tiles(rows, 16, step, 64):
        shown, kept = place.shown[0], place.kept[0]
        assert shown.start == 0 or kept.start - shown.start >= halo
        assert shown.stop == whole or shown.stop - kept.stop >= halo


def test_a_picture_of_1024_px_takes_16_tiles_of_304_px() -> None:
    places = list(tiles(1024, 1024, 4))
    assert len(places) == 16
    assert {place.shown[0].stop - place.shown[0].start for place in places} == {304}


def test_a_picture_that_fits_is_one_tile() -> None:
    assert len(list(tiles(300, 66, 4))) == 1
