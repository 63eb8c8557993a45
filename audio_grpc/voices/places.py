"""Custom voices in a folder, which several servers can share:

    <SHA-256 of the name>/   voice.json, and the sample: voice_6f1c0c7be0ab4f2f.sample
    <SHA-256 of an alias>/   alias.json: the alias, and the id of its voice
    .unfinished/             what a server is writing or removing right now
    .default                 the id of the voice for those who name none

A voice is written in ``.unfinished`` and appears by being renamed. Renaming a folder fails if there is
another of that name with something in it (rename(2)): so of those who make a voice of one name at once, on
whatever server, one succeeds, and it takes no lock that a crash could leave behind. Removing is a rename too.
"""

import errno
import json
import logging
import re
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import TypeAdapter

from audio_grpc import disk
from audio_grpc.errors import StorageFailed, VoiceExists, VoiceNotFound, quoted
from audio_grpc.types import CustomVoice
from audio_grpc.voices.store import is_id, new_id

PLACE = re.compile(r"[0-9a-f]{64}")
UNFINISHED = ".unfinished"
ABANDONED_SECONDS = 3600.0
"""What has been unfinished for so long belongs to a server that was killed."""
DESCRIPTION = "voice.json"
JSON = TypeAdapter(CustomVoice)
ALIAS = "alias.json"
DEFAULT = ".default"

log = logging.getLogger(__name__)


class Places:
    """The folder, for threads; what the system refuses is an OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, voice: CustomVoice, sample: bytes) -> None:
        """Keep it, or nothing of it; VoiceExists."""
        with TemporaryDirectory(dir=self._unfinished()) as scratch:
            whole = Path(scratch, "voice")
            whole.mkdir(mode=0o700)  # recordings of persons are nobody else's business
            disk.write(_sample_of(whole, voice.id), sample)
            disk.write(whole / DESCRIPTION, JSON.dump_json(voice, indent=2))
            disk.sync(whole)
            self._publish(whole, voice.name)

    def _publish(self, whole: Path, name: str) -> None:
        """Give a voice its place, unless another has it."""
        place = self._place(name)
        try:
            whole.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise VoiceExists(
                f"there is a custom voice {quoted(name)} already; choose another name, or delete it",
                field="name",
            ) from error
        try:
            disk.sync(self._folder)
        except OSError:
            place.rename(whole)  # whoever is told that it failed must not find it
            raise

    def all(self) -> list[CustomVoice]:
        """Oldest first, without damaged ones."""
        voices = []
        for place in self._places():
            if _alias_in(place):
                continue
            with suppress(StorageFailed):  # and logged
                if voice := self._read(place):
                    voices.append(voice)
        return sorted(voices, key=lambda voice: (voice.create_time.timestamp(), voice.id))

    def find(self, id_or_name: str) -> CustomVoice:
        """By id, name or alias; VoiceNotFound, StorageFailed if it is damaged."""
        voice = self._read(self._locate(id_or_name))
        if voice is None or (is_id(id_or_name) and id_or_name != voice.id):
            raise _unknown(id_or_name)
        return voice

    def sample(self, voice: CustomVoice) -> bytes:
        """Its sample; VoiceNotFound."""
        try:
            return _sample_of(self._place(voice.name), voice.id).read_bytes()
        except FileNotFoundError:
            raise _unknown(voice.id) from None

    def remove(self, id_or_name: str) -> None:
        """By id or name, with its aliases; VoiceNotFound."""
        place = self._locate(id_or_name, follow=False)
        ids = {sample.stem for sample in _samples_in(place)}
        self._take_away(place, id_or_name)
        for other in self._places():
            if (alias := _alias_in(other)) and alias[1] in ids:
                with suppress(VoiceNotFound):  # it was removed meanwhile
                    self._take_away(other, alias[0])

    def _take_away(self, place: Path, name: str) -> None:
        # Nothing new is written, so that it works on a full disk.
        going = self._unfinished() / new_id()
        try:
            place.rename(going)
        except FileNotFoundError:
            raise _unknown(name) from None
        disk.sync(self._folder)
        with suppress(FileNotFoundError):  # another server is removing it too
            shutil.rmtree(going)

    def rename(self, id_or_name: str, name: str) -> CustomVoice:
        """Under both names for a moment; VoiceNotFound, VoiceExists."""
        voice = self.find(id_or_name)
        renamed = replace(voice, name=name)
        if name != voice.name:
            self.add(renamed, self.sample(voice))
            self._take_away(self._place(voice.name), voice.name)
        return renamed

    def aliases(self) -> dict[str, str]:
        """Each with the id of its voice."""
        return dict(alias for place in self._places() if (alias := _alias_in(place)))

    def add_alias(self, id_or_name: str, alias: str) -> None:
        """VoiceNotFound, VoiceExists."""
        voice = self.find(id_or_name)
        with TemporaryDirectory(dir=self._unfinished()) as scratch:
            whole = Path(scratch, "alias")
            whole.mkdir(mode=0o700)
            disk.write(whole / ALIAS, json.dumps([alias, voice.id]).encode())
            disk.sync(whole)
            self._publish(whole, alias)

    def remove_alias(self, id_or_name: str, alias: str) -> None:
        """VoiceNotFound."""
        voice, place = self.find(id_or_name), self._place(alias)
        if _alias_in(place) != (alias, voice.id):
            raise _unknown(alias)
        self._take_away(place, alias)

    def default(self) -> str:
        """The id of the chosen voice; empty if there is none."""
        try:
            return self.find((self._folder / DEFAULT).read_text()).id
        except (FileNotFoundError, VoiceNotFound):
            return ""

    def set_default(self, voice_id: str) -> None:
        """Choose it by its id; empty for none."""
        with TemporaryDirectory(dir=self._unfinished()) as scratch:
            chosen = Path(scratch, "default")
            disk.write(chosen, voice_id.encode())
            chosen.rename(self._folder / DEFAULT)
        disk.sync(self._folder)

    def clean(self) -> list[str]:
        """Remove what has lost its sample, or its voice; the names."""
        known = {voice.id for voice in self.all()}
        gone = {}
        for place in self._places():
            if (alias := _alias_in(place)) and alias[1] not in known:
                gone[place] = alias[0]
            elif not alias and not _samples_in(place):
                gone[place] = _name_in(place)
        for place, name in gone.items():
            with suppress(VoiceNotFound):  # it was removed meanwhile
                self._take_away(place, name)
        return sorted(gone.values())

    def _places(self) -> list[Path]:
        """Where all voices are, but nothing that others put beside them (such as lost+found)."""
        try:
            return [path for path in self._folder.iterdir() if PLACE.fullmatch(path.name)]
        except FileNotFoundError:  # no voice was ever made
            return []

    def _place(self, name: str) -> Path:
        """Where the voice of that name is, whatever characters it has."""
        return self._folder / sha256(name.encode()).hexdigest()

    def _locate(self, id_or_name: str, *, follow: bool = True) -> Path:
        """Where the voice is, also if an alias is to be followed to it; VoiceNotFound."""
        if is_id(id_or_name):
            for place in self._places():
                if _sample_of(place, id_or_name).exists():
                    return place
        elif (place := self._place(id_or_name)).exists():
            alias = _alias_in(place)
            if alias is None:
                return place
            if follow:
                return self._locate(alias[1])
        raise _unknown(id_or_name)

    def _read(self, place: Path) -> CustomVoice | None:
        """None if it was removed meanwhile; StorageFailed if it is damaged."""
        try:
            voice = JSON.validate_json((place / DESCRIPTION).read_bytes())
            if place != self._place(voice.name) or not _sample_of(place, voice.id).is_file():
                raise ValueError("it is not in its place, or has no sample")
        except (OSError, ValueError) as error:
            if not place.exists():
                return None
            log.warning("the voice in %s is damaged: %s", place, error)
            raise StorageFailed(
                "the voice is damaged, as the server's log says; delete it by its name, and make it again"
            ) from error
        return voice

    def _unfinished(self) -> Path:
        """The folder of what is unfinished, without what was abandoned."""
        unfinished = self._folder / UNFINISHED
        unfinished.mkdir(parents=True, exist_ok=True)
        for left in unfinished.iterdir():
            with suppress(FileNotFoundError):  # its server has finished
                if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
        return unfinished


def _sample_of(place: Path, voice_id: str) -> Path:
    # Under its id, so that it is never taken for that of a later voice of the same name.
    return place / f"{voice_id}.sample"


def _samples_in(place: Path) -> list[Path]:
    """Empty if it was removed meanwhile."""
    try:
        return list(place.glob("*.sample"))
    except FileNotFoundError:
        return []


def _alias_in(place: Path) -> tuple[str, str] | None:
    """The alias, and the id of its voice; None if that is no place of an alias."""
    try:
        alias, voice_id = json.loads((place / ALIAS).read_bytes())
    except (OSError, ValueError):  # what is damaged is found, and told, by whoever wants a voice there
        return None
    return alias, voice_id


def _name_in(place: Path) -> str:
    """The name of a voice that may be damaged; that of its folder if there is no other."""
    try:
        return JSON.validate_json((place / DESCRIPTION).read_bytes()).name
    except (FileNotFoundError, ValueError):
        return place.name


def _unknown(id_or_name: str) -> VoiceNotFound:
    return VoiceNotFound(
        f"there is no custom voice {quoted(id_or_name)}; ListCustomVoices lists them", field="id"
    )
