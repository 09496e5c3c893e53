"""What one server takes on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one server takes on.

    Attributes:
        frame_bytes: Of one file.
        bytes: Of all files of a workplace or of a request.
        order_bytes: Of a request that brings no file.
        decoding_bytes: Memory for the frames that are decoded at one time.
        workplaces: At one time.
        idle_minutes: After which a workplace that nobody uses is removed; an open page uses its own every half minute.
    """

    frame_bytes: int = 500_000_000
    bytes: int = 8_000_000_000
    order_bytes: int = 4_000_000
    decoding_bytes: int = 2_000_000_000
    workplaces: int = 8
    idle_minutes: float = 10.0


class Budget:
    """Memory that several threads share; who asks for more than is left waits.

    Args:
        total: Bytes.
    """

    def __init__(self, total: int):
        self._total, self._used = total, 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Holds so many bytes in the block; what is more than all of it has it alone."""
        size = min(size, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._used + size <= self._total)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()
