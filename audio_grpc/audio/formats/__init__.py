"""The layouts of sound files: whether one was cut off, which FFmpeg does not tell, or several were joined.

Each module walks the structure of one family, and never searches a file for names, which may stand anywhere
in a title or in sound. A walk takes at most ``MAX_STEPS`` steps, whatever a file says; it does not judge what
it does not reach.

    module      walks                                cut off, if                               joined files
    riff        WAV, RF64, W64, AVI, AIFF, CAF       a chunk of sound ends after the file      yes
    mp4         MP4, MOV                             a box of sound ends after the file        yes
    matroska    WebM, Matroska                       an element of sound ends after the file   yes
    ogg         Ogg                                  the last page or packet is not whole      yes
    mpeg        MP3, AAC (ADTS)                      (by its count of frames, announced.py)    yes
    objects     ASF (WMA), FLV                       an object of sound ends after the file    yes
    framed      AU, AMR, TTA, WavPack                (by its length, announced.py)             yes

Of recorders that could not go back to their header, a size of nothing, or of two gigabytes or more, is
unknown; and a WAV may announce more than it has by the size of its header, or of a part of that: recorders
take the size of the file for that of the samples.
"""

from collections.abc import Iterable

from audio_grpc.audio.formats import framed, matroska, mp4, mpeg, objects, ogg, riff


def check_bytes(data: bytes) -> None:
    """Raises AudioTruncated if a file announces more bytes; AudioUndecodable if its tables are impossible."""
    riff.check(data)
    mp4.check(data)
    matroska.check(data)
    ogg.check(data)
    objects.check(data)


def without_layouts(format_name: str, data: bytes) -> bytes:
    """The file without what tells which channel is which, as far as FFmpeg makes a list of channels of it.

    PyAV frees such a list twice, and the process dies. Every channel is heard without, too.
    """
    places = mp4.layout_places(data) if format_name == "mov" else riff.layout_places(data)
    if not places:
        return data
    plain = bytearray(data)
    for place in places:
        plain[place : place + 4] = b"skip"
    return bytes(plain)


def parts(format_name: str, data: bytes) -> Iterable[bytes]:
    """The files that were joined to this one, in order; mostly there is but one, itself.

    ``format_name`` is FFmpeg's name. Between MP3 or AAC frames, tags and a little of what is neither are left
    out; AudioUndecodable, after what was before it, if it is more than a little.
    """
    match format_name:
        case "wav" | "aiff" | "avi" | "w64" | "caf":
            return riff.parts(data)
        case "mov":
            return mp4.parts(data)
        case "matroska":
            return matroska.parts(data)
        case "ogg":
            return ogg.parts(data)
        case "mp3" | "aac":
            return mpeg.parts(data)
        case "asf" | "flv":
            return objects.parts(data)
        case "au" | "amr" | "tta" | "wv":
            return framed.parts(data)
    return [data]
