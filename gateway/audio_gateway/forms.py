"""Forms with files or without: multipart/form-data, and what is sent where there is no file."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qs

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from audio_gateway.bodies import is_json, parsed, whole
from audio_gateway.errors import ApiError
from audio_gateway.multipart import MAX_FIELD_BYTES, MAX_FIELDS, Fields, FileField, read_form
from audio_gateway.problems import from_validation, missing

URLENCODED = "application/x-www-form-urlencoded"

Form = TypeVar("Form", bound=BaseModel)


async def read_any_form(request: Request, files: Mapping[str, FileField]) -> Fields:
    """The fields of a form of either kind, or of a JSON object, each with its values.

    ApiError as :func:`read_form`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != URLENCODED and not is_json(request):
        return await read_form(request, files)
    for name, file in files.items():
        if file.required:
            raise missing(name, f"the form has no file {name!r}; send multipart/form-data with one")
    body = await whole(request, MAX_FIELD_BYTES)
    if kind != URLENCODED:
        return _json_fields(parsed(body))
    try:
        return parse_qs(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError as error:
        raise ApiError(400, f"the form cannot be read ({error})", code="invalid_form") from error


def _json_fields(value: Any) -> Fields:
    """The members of an object as a form would have them."""
    if not isinstance(value, dict):
        raise ApiError(400, "the body has to be a form, or a JSON object of its fields", code="invalid_form")
    return {
        name: [field if isinstance(field, str) else json.dumps(field)]
        for name, field in value.items()
        if field is not None
    }


def validated(kind: type[Form], fields: Fields) -> Form:
    """The last value of each field, an empty one as if it was left out; ApiError with status 400."""
    try:
        return kind.model_validate({name: values[-1] for name, values in fields.items() if values[-1]})
    except ValidationError as error:
        raise from_validation(error.errors()) from error
