"""The families of scenes that can be asked for. Loads no numpy, so that commands may name them."""

from enum import StrEnum


class Track(StrEnum):
    """A family of scenes to train and compare on."""

    A = "a"  #: contact holes of four depths, one tool: the depth's level can be told from the picture
    B = "b"  #: every kind of pattern, 40 to 160 nm deep, any microscope
    A_SHIFT = "a-shift"  #: the scenes of A, seen by another microscope
    B_SHIFT = "b-shift"
