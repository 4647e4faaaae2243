"""Pictures on their way from the workers to the process that runs networks: memory that both have mapped.

The supervisor makes a slab of equal slots and alone decides whose each is (:mod:`.seats`); a process that
has been lent a slot writes one picture into it, and another reads it where it lies. No lock is held by
anybody, so none can be left behind by a process that is killed. What has no name in the file system is gone
with the last process that had it open.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from dataclasses import dataclass

PAGE_BYTES = 4096
HEADER = struct.Struct("<QII8s")  # ticket, rows, columns, sample type
HEADER_BYTES = 64  # a cache line, so that pictures begin at one
NO_TICKET = 0
SAMPLE_BYTES = {"uint8": 1, "uint16": 2, "float32": 4}
FIXED_SIZE = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class TornSlotError(Exception):
    """The slot does not hold the picture that was promised: its writer ended before it was done."""


@dataclass(frozen=True, slots=True)
class Slotted:
    """A picture in a slot; ``samples`` are the slot's own bytes, valid until the slot is lent again."""

    rows: int
    columns: int
    kind: str  #: of the samples: "uint8", "uint16" or "float32"
    samples: memoryview


class Slab:
    """One mapping of the slots. Every process has its own, of one descriptor."""

    def __init__(self, descriptor: int, slots: int, picture_bytes: int) -> None:
        """
        Parameters
        ----------
        descriptor
            From :func:`create_slab`, perhaps inherited.
        picture_bytes
            Largest picture that a slot holds.
        """
        self.descriptor = descriptor
        self.slots = slots
        self.picture_bytes = picture_bytes
        self._stride = stride(picture_bytes)
        self.mapped_bytes = slots * self._stride
        self._memory = mmap.mmap(descriptor, self.mapped_bytes)
        self._bytes = memoryview(self._memory)

    def put(
        self, slot: int, ticket: int, shape: tuple[int, int], kind: str, samples: memoryview | bytes
    ) -> None:
        """Write a picture; the ticket, by which it is asked for, comes last.

        Parameters
        ----------
        ticket
            Above 0, and never the same twice.
        samples
            (rows, columns) in C order; ``array.data`` of a NumPy array.

        Raises
        ------
        ValueError
            The slot is too small for it, or ``samples`` are not of this shape and kind.
        """
        flat = memoryview(samples).cast("B")
        rows, columns = shape
        if flat.nbytes != rows * columns * SAMPLE_BYTES[kind]:
            raise ValueError(f"{flat.nbytes} bytes are no {rows} x {columns} samples of {kind}")
        if flat.nbytes > self.picture_bytes:
            raise ValueError(f"a picture of {flat.nbytes} bytes; a slot holds {self.picture_bytes}")
        start = slot * self._stride
        HEADER.pack_into(self._bytes, start, NO_TICKET, rows, columns, kind.encode())
        first = start + HEADER_BYTES
        self._bytes[first : first + flat.nbytes] = flat
        HEADER.pack_into(self._bytes, start, ticket, rows, columns, kind.encode())

    def get(self, slot: int, ticket: int) -> Slotted:
        """Return the picture where it lies.

        Raises
        ------
        TornSlotError
            It was never finished.
        """
        start = slot * self._stride
        found, rows, columns, name = HEADER.unpack_from(self._bytes, start)
        kind = name.rstrip(b"\0").decode("ascii", "replace")
        size = rows * columns * SAMPLE_BYTES.get(kind, 0)
        if found != ticket or not 0 < size <= self.picture_bytes:
            raise TornSlotError(f"slot {slot} holds no picture {ticket}: its writer ended too early")
        first = start + HEADER_BYTES
        return Slotted(rows, columns, kind, self._bytes[first : first + size].toreadonly())

    def close(self) -> None:
        """Unmap. What :meth:`get` returned must be let go before."""
        self._bytes.release()
        self._memory.close()


def create_slab(slots: int, picture_bytes: int) -> Slab:
    """Make a slab whose size nobody can change: a shrunk one would kill all who read it.

    Only slots that have been written to take memory.
    """
    descriptor = os.memfd_create("pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, slots * stride(picture_bytes))
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, FIXED_SIZE)
    return Slab(descriptor, slots, picture_bytes)


def stride(picture_bytes: int) -> int:
    """Return the bytes from one slot to the next: whole pages."""
    return -(-(HEADER_BYTES + picture_bytes) // PAGE_BYTES) * PAGE_BYTES
