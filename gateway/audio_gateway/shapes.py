"""Validators for the JSON of callers in all dialects."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


def without_nulls(value: Any) -> Any:
    """An object without its fields that are null: they count as left out, as OpenAI takes them."""
    if isinstance(value, dict):
        return {name: field for name, field in value.items() if field is not None}
    return value


class Body(BaseModel):
    """A JSON object of a caller's. Fields that are null count as left out; unlisted ones are ignored."""

    model_config = ConfigDict(strict=True, extra="allow")

    _without_nulls = model_validator(mode="before")(without_nulls)

    @property
    def unlisted(self) -> tuple[str, ...]:
        """The names of the fields that are ignored because nobody here knows them."""
        return tuple(self.model_extra or ())
