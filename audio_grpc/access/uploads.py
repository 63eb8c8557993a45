"""A bound on the memory that uploads take, over all calls."""

from audio_grpc.errors import Busy

MEBIBYTE = 1 << 20
RETRY_SECONDS = 1.0
"""The time to retry; the end of the recordings in progress is unknown."""


class Uploads:
    """Counts the bytes of uploads that the server holds, for calls that wait, arrive or are being heard."""

    def __init__(self, most: int) -> None:
        self.held = 0
        self._most = most

    def check(self, size: int, mine: int) -> None:
        """Raises Busy if so many bytes more are too many, for a call that holds ``mine`` already.

        A call that is alone is never refused, or the largest upload could not come through at any time.
        """
        others = self.held - mine
        if size and others and self.held + size > self._most:
            raise Busy(
                f"the server holds {self.held / MEBIBYTE:.0f} MiB of uploads, and takes at most "
                f"{self._most / MEBIBYTE:g}; retry later, or raise max_upload_bytes_in_flight",
                retry_after_seconds=RETRY_SECONDS,
            )

    def hold(self, size: int) -> None:
        """Adds so many bytes."""
        self.held += size

    def release(self, size: int) -> None:
        """Gives back the bytes of a call that has ended."""
        self.held -= size
