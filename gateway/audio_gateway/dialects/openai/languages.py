"""The languages that a caller expects, by one name or several."""


def expected(language: str | None, languages: list[str]) -> tuple[str, list[str]]:
    """The language, if it is known, else all that may be spoken; as the service takes them."""
    several = list(dict.fromkeys(filter(None, [language, *languages])))
    return ("", several) if len(several) > 1 else (next(iter(several), ""), [])
