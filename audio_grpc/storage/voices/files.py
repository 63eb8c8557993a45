"""Custom voices in a folder, which several servers can share:

    <SHA-256 of the name>/   voice.json, and the sample: voice_6f1c0c7be0ab4f2f.sample
    <SHA-256 of an alias>/   alias.json: the alias, and the id of its voice
                             of a voice that belongs to a key, the id of that key goes before the name
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
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import TypeAdapter

from audio_grpc import disk
from audio_grpc.errors import (
    InvalidRequest,
    ScopeMissing,
    StorageFailed,
    VoiceExists,
    VoiceNotFound,
    quoted,
)
from audio_grpc.storage.voices.store import EVERYBODYS, Viewer, is_id, new_id
from audio_grpc.types import CustomVoice

PLACE = re.compile(r"[0-9a-f]{64}")
UNFINISHED = ".unfinished"
ABANDONED_SECONDS = 3600.0
"""The seconds after which something unfinished belongs to a server that was killed."""
DESCRIPTION = "voice.json"
JSON = TypeAdapter(CustomVoice)
ALIAS = "alias.json"
DEFAULT = ".default"
UNKNOWN = "?"
"""The owner of a voice that is damaged, which no key is."""

log = logging.getLogger(__name__)


class VoiceFiles:
    """The folder, for threads; what the system refuses is an OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: set[Path] = set()
        """The places of damaged voices that the log has told of already."""

    def add(self, voice: CustomVoice, sample: bytes) -> None:
        """Keeps a voice and its sample whole, or nothing. Raises VoiceExists."""
        with TemporaryDirectory(dir=self._unfinished()) as scratch:
            whole = Path(scratch, "voice")
            whole.mkdir(mode=0o700)  # recordings of persons are nobody else's business
            disk.write(_sample_of(whole, voice.id), sample)
            disk.write(whole / DESCRIPTION, JSON.dump_json(voice, indent=2))
            disk.sync(whole)
            self._publish(whole, voice.name, voice.owner)

    def _publish(self, whole: Path, name: str, owner: str, field: str = "name") -> None:
        """Give a voice its place, unless another has it."""
        place = self._place(name, owner)
        if owner and self._place(name).exists():
            raise _exists(name, field)
        try:
            whole.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise _exists(name, field) from error
        try:
            disk.sync(self._folder)
        except OSError:
            place.rename(whole)  # whoever is told that it failed must not find it
            raise

    def all(self, viewer: Viewer) -> list[CustomVoice]:
        """Returns all voices, oldest first, without damaged ones."""
        voices = []
        for place in self._places():
            if _alias_in(place):
                continue
            with suppress(StorageFailed):  # and logged
                if (voice := self._read(place)) and viewer.sees(voice.owner):
                    voices.append(voice)
        return sorted(voices, key=lambda voice: (voice.create_time.timestamp(), voice.id))

    def find(self, id_or_name: str, viewer: Viewer) -> CustomVoice:
        """Returns the voice of an id, name or alias. Raises VoiceNotFound; StorageFailed if it is damaged."""
        voice = self._read(self._locate(id_or_name, viewer))
        if voice is None or (is_id(id_or_name) and id_or_name != voice.id) or not viewer.sees(voice.owner):
            raise _unknown(id_or_name)
        return voice

    def _to_change(self, id_or_name: str, viewer: Viewer) -> CustomVoice:
        """Returns the voice if the viewer may change it. Raises ScopeMissing, and what ``find`` raises."""
        voice = self.find(id_or_name, viewer)
        _require_change(voice.owner, viewer)
        return voice

    def sample(self, voice: CustomVoice) -> bytes:
        """Returns the bytes of a voice's sample. Raises VoiceNotFound."""
        try:
            return _sample_of(self._place(voice.name, voice.owner), voice.id).read_bytes()
        except FileNotFoundError:
            raise _unknown(voice.id) from None

    def remove(self, id_or_name: str, viewer: Viewer) -> None:
        """Removes a voice, by id or name, and its aliases. Raises VoiceNotFound, ScopeMissing."""
        place = self._locate(id_or_name, viewer, follow=False)
        if not viewer.key_id or place != self._place(id_or_name, viewer.key_id):
            _require_change(self._owner_in(place), viewer)
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

    def update(
        self, id_or_name: str, name: str | None, aliases: Sequence[str] | None, viewer: Viewer
    ) -> None:
        """Updates a voice; old and new names last a moment. VoiceNotFound, VoiceExists, ScopeMissing."""
        voice = self._to_change(id_or_name, viewer)
        had = self.aliases().get(voice.id, [])
        wanted = had if aliases is None else aliases
        with ExitStack() as undo:
            for alias in wanted:
                if alias not in had:
                    self._publish_alias(alias, voice)
                    undo.callback(self._take_away, self._place(alias, voice.owner), alias)
            self._moved(voice, replace(voice, name=name or voice.name))
            undo.pop_all()
        for alias in set(had).difference(wanted):
            with suppress(VoiceNotFound):  # it was removed meanwhile
                self._take_away(self._place(alias, voice.owner), alias)

    def share(self, id_or_name: str, viewer: Viewer) -> CustomVoice:
        """Shares a voice, which has both owners for a moment. Raises VoiceNotFound, VoiceExists."""
        voice = self._to_change(id_or_name, viewer)
        shared = self._moved(voice, replace(voice, owner=""))
        for alias in self.aliases().get(voice.id, []) if voice.owner else []:
            with suppress(VoiceExists):  # the owner keeps it
                self._publish_alias(alias, shared)
                self._take_away(self._place(alias, voice.owner), alias)
        return shared

    def _moved(self, voice: CustomVoice, to: CustomVoice) -> CustomVoice:
        place = self._place(voice.name, voice.owner)
        if place != self._place(to.name, to.owner):
            self.add(to, self.sample(voice))
            self._take_away(place, voice.name)
        return to

    def aliases(self) -> dict[str, list[str]]:
        """Returns the aliases of each voice, by its id."""
        found: dict[str, list[str]] = {}
        for place in self._places():
            if alias := _alias_in(place):
                found.setdefault(alias[1], []).append(alias[0])
        return {voice_id: sorted(names) for voice_id, names in found.items()}

    def _publish_alias(self, alias: str, voice: CustomVoice) -> None:
        with TemporaryDirectory(dir=self._unfinished()) as scratch:
            whole = Path(scratch, "alias")
            whole.mkdir(mode=0o700)
            disk.write(whole / ALIAS, json.dumps([alias, voice.id]).encode())
            disk.sync(whole)
            self._publish(whole, alias, voice.owner, "aliases")

    def default(self, viewer: Viewer) -> str:
        """The id of the chosen voice; empty if there is none that the viewer sees."""
        try:
            return self.find((self._folder / DEFAULT).read_text(), viewer).id
        except (FileNotFoundError, VoiceNotFound):
            return ""

    def set_default(self, voice_id: str) -> None:
        """Sets the default voice by its id; empty for none."""
        with TemporaryDirectory(dir=self._unfinished()) as scratch:
            chosen = Path(scratch, "default")
            disk.write(chosen, voice_id.encode())
            chosen.rename(self._folder / DEFAULT)
        disk.sync(self._folder)

    def clean(self) -> list[str]:
        """Remove what has lost its sample, or its voice; the names."""
        known = {voice.id for voice in self.all(EVERYBODYS)}
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
        """Returns the folders of all voices, but nothing that others put beside them (such as lost+found)."""
        try:
            return [path for path in self._folder.iterdir() if PLACE.fullmatch(path.name)]
        except FileNotFoundError:  # no voice was ever made
            return []

    def _place(self, name: str, owner: str = "") -> Path:
        """Returns the place of the owner's voice of that name, of any characters; no name has a zero byte."""
        return self._folder / sha256(f"{owner}\0{name}".encode() if owner else name.encode()).hexdigest()

    def _locate(self, id_or_name: str, viewer: Viewer, *, follow: bool = True) -> Path:
        """Finds the voice, also if an alias is to be followed to it; raises VoiceNotFound, InvalidRequest."""
        if is_id(id_or_name):
            for place in self._places():
                if _sample_of(place, id_or_name).exists() and viewer.sees(self._owner_in(place)):
                    return place
        elif found := self._place_of(id_or_name, viewer):
            alias = _alias_in(found)
            if alias is None:
                return found
            if follow:
                return self._locate(alias[1], viewer)
        raise _unknown(id_or_name)

    def _place_of(self, name: str, viewer: Viewer) -> Path | None:
        """The viewer's own of that name, else the shared one, else that of another if only one has it."""
        for owner in (viewer.key_id, ""):
            if (place := self._place(name, owner)).exists():
                return place
        others = [place for place in self._places() if _name_in(place) == name] if viewer.sees_all else []
        if len(others) > 1:
            raise InvalidRequest("voices of several keys have this name; give the id of one", field="id")
        return others[0] if others else None

    def _owner_in(self, place: Path) -> str:
        """Returns the owner of the voice in that folder."""
        try:
            return JSON.validate_json((place / DESCRIPTION).read_bytes()).owner
        except (OSError, ValueError):
            return UNKNOWN

    def _read(self, place: Path) -> CustomVoice | None:
        """Reads a voice; None if it was removed meanwhile. Raises StorageFailed if it is damaged."""
        try:
            voice = JSON.validate_json((place / DESCRIPTION).read_bytes())
            sample = _sample_of(place, voice.id)
            if place != self._place(voice.name, voice.owner) or not sample.is_file():
                raise ValueError("it is not in its place, or has no sample")
            voice = replace(voice, sample_bytes=sample.stat().st_size)  # not written down in earlier versions
        except (OSError, ValueError) as error:
            if not place.exists():
                return None
            if place not in self._told:
                self._told.add(place)
                log.warning("the voice in %s is damaged: %s", place, error)
            raise StorageFailed(
                "the voice is damaged, as the server's log says; delete it by its name, and make it again"
            ) from error
        self._told.discard(place)
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
    """Returns the samples in a voice's folder; none if it was removed meanwhile."""
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
    """The name or alias of what may be damaged; that of its folder if there is no other."""
    if alias := _alias_in(place):
        return alias[0]
    try:
        return JSON.validate_json((place / DESCRIPTION).read_bytes()).name
    except (FileNotFoundError, ValueError):
        return place.name


def _exists(name: str, field: str) -> VoiceExists:
    return VoiceExists(
        f"there is a custom voice {quoted(name)} already; choose another name, or delete it", field=field
    )


def _require_change(owner: str, viewer: Viewer) -> None:
    if not viewer.may_change(owner):
        raise ScopeMissing(
            "the voice is shared with everybody; changing it needs the scope admin, which this key does not "
            "have. Make a voice of your own, or have the operator give the scope: audio-grpc keys scopes"
        )


def _unknown(id_or_name: str) -> VoiceNotFound:
    return VoiceNotFound(
        f"there is no custom voice {quoted(id_or_name)}; ListCustomVoices lists them", field="id"
    )
