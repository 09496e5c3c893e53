"""What one server takes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one server takes on.

    Attributes:
        frame_bytes: Of one file.
        bytes: Of all files of a workplace or of a request.
        workplaces: At one time.
        idle_minutes: After which a workplace that nobody uses is removed.
    """

    frame_bytes: int = 500_000_000
    bytes: int = 8_000_000_000
    workplaces: int = 8
    idle_minutes: float = 120.0
