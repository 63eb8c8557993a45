"""Pages of Ogg (RFC 3533)."""

from audio_grpc.audio.formats.bounds import MAX_STEPS, cut, truncated

_MARK = b"OggS"
_HEAD_BYTES = 27
_FIRST_PAGE, _LAST_PAGE = 2, 4
_GOES_ON = 255
"""A length of that many bytes says that the packet has more, perhaps on the next page."""


def check(data: bytes) -> None:
    """Raises AudioTruncated if the last page, or the last packet, is not whole.

    A file of whole packets without the flag of a last page is taken for whole: recorders of live streams
    never set it.
    """
    at = 0
    is_open = False
    for _ in range(MAX_STEPS):
        if not data.startswith(_MARK, at):
            rest = data[at : at + len(_MARK)]
            at = data.find(_MARK, at) if at else -1  # what is between pages is skipped, as decoders do
            if at < 0:
                is_open |= 0 < len(rest) < len(_MARK) and _MARK.startswith(rest)
                break
        count = data[at + _HEAD_BYTES - 1] if at + _HEAD_BYTES <= len(data) else 1
        sizes = data[at + _HEAD_BYTES : at + _HEAD_BYTES + count]
        end = at + _HEAD_BYTES + count + sum(sizes)
        if end > len(data):
            raise truncated(f"{end} bytes", f"{len(data)}")
        if sizes:
            is_open = sizes[-1] == _GOES_ON and not data[at + 5] & _LAST_PAGE
        at = end
    if is_open:
        raise truncated("another page", "none")


def parts(data: bytes) -> list[bytes]:
    """The files that were chained: each begins with the first pages of its streams.

    FFmpeg reads on, but takes what it was told of the first for all.
    """
    starts = [0]
    has_begun = False
    at = 0
    for _ in range(MAX_STEPS):
        if not data.startswith(_MARK, at):
            at = data.find(_MARK, at) if at else -1
        if at < 0 or at + _HEAD_BYTES > len(data):
            break
        is_first = bool(data[at + 5] & _FIRST_PAGE)
        if is_first and has_begun:
            starts.append(at)
        has_begun = not is_first
        sizes = at + _HEAD_BYTES
        count = data[sizes - 1]
        at = sizes + count + sum(data[sizes : sizes + count])
    return cut(data, starts)
