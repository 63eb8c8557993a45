"""The names that callers have for languages: BCP-47 codes, also deprecated ones, and Whisper's English names.

The names are those of OpenAI's API: https://github.com/openai/whisper/blob/main/whisper/tokenizer.py.
"""

import re
from collections.abc import Collection

_LANGUAGES = """\
af afrikaans am amharic ar arabic as assamese az azerbaijani ba bashkir be belarusian bg bulgarian bn
bengali bo tibetan br breton bs bosnian ca catalan cs czech cy welsh da danish de german el greek en english
es spanish et estonian eu basque fa persian fi finnish fo faroese fr french gl galician gu gujarati ha hausa
haw hawaiian he hebrew hi hindi hr croatian ht haitian-creole hu hungarian hy armenian id indonesian is
icelandic it italian ja japanese jw javanese jv javanese ka georgian kk kazakh km khmer kn kannada ko korean
la latin lb luxembourgish ln lingala lo lao lt lithuanian lv latvian mg malagasy mi maori mk macedonian ml
malayalam mn mongolian mr marathi ms malay mt maltese my myanmar ne nepali nl dutch nn nynorsk no norwegian
oc occitan pa punjabi pl polish ps pashto pt portuguese ro romanian ru russian sa sanskrit sd sindhi si
sinhala sk slovak sl slovenian sn shona so somali sq albanian sr serbian su sundanese sv swedish sw swahili
ta tamil te telugu tg tajik th thai tk turkmen tl tagalog tr turkish tt tatar uk ukrainian ur urdu uz uzbek
vi vietnamese yi yiddish yo yoruba yue cantonese zh chinese"""
_WORDS = _LANGUAGES.split()
NAMES = {code: name.replace("-", " ") for code, name in zip(_WORDS[::2], _WORDS[1::2], strict=True)}
"""Names by BCP-47 code: ISO 639-1, else 639-3."""
CODES = {name: code for code, name in NAMES.items()}
OTHER_NAMES = {
    "burmese": "my",
    "valencian": "ca",
    "flemish": "nl",
    "haitian": "ht",
    "letzeburgesch": "lb",
    "pushto": "ps",
    "panjabi": "pa",
    "moldavian": "ro",
    "moldovan": "ro",
    "sinhalese": "si",
    "castilian": "es",
    "mandarin": "zh",
}
DETECTED = frozenset({"", "auto", "und"})
"""The codes that ask for the language to be detected."""
_PRIMARY = re.compile("[a-z]{2,3}")
FURTHEST = 10
"""The largest distance, in CLDR's language matching, at which one language's speaker reads the other."""


def asked_language(code: str) -> str | None:
    """The code or name that a caller sent; None to have the language detected."""
    return None if code.strip().lower() in DETECTED else code.strip()


def known_language(asked: str, known: Collection[str]) -> str | None:
    """The one of the ``known`` BCP-47 codes that a code or name means; None for a language that is not known.

    Regions do not matter. A language that is not known itself is its macrolanguage (``yue``: ``zh``), or
    what it is written with (``nb``: ``no``).
    """
    from langcodes import Language, closest_match
    from langcodes.data_dicts import MACROLANGUAGES

    name = asked.strip().lower()
    code = CODES.get(name) or OTHER_NAMES.get(name) or name.replace("_", "-")
    primary = code.partition("-")[0]
    for one in (code, primary):
        if found := next((own for own in known if own.lower() == one), None):
            return found
    # The library keeps all that it has ever parsed.
    if not _PRIMARY.fullmatch(primary):
        return None
    language: str = Language.get(primary).language or "und"
    for one in (language, MACROLANGUAGES.get(language, "und")):
        found, _ = closest_match(one, list(known), max_distance=FURTHEST)
        if found != "und":
            return found
    return None


def language_name(code: str) -> str:
    """The name of a BCP-47 code's language (``english`` for ``en-GB``); the code itself if it has none."""
    return NAMES.get(code.partition("-")[0].lower(), code)
