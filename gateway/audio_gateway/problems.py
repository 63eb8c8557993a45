"""Turns pydantic's findings about a request into one error that names the field."""

from collections.abc import Mapping, Sequence
from typing import Any

from audio_gateway.errors import ApiError
from audio_grpc.errors import QUOTED_CHARACTERS, shortened

# What pydantic calls a body that is something else than an object.
# What stands before the place in a request; the last two where a body can be of one of several kinds.
WHEREABOUTS = ("body", "query", "path", "openai", "chatterbox")
BODY_TYPES = ("model_attributes_type", "model_type", "dict_type")


MOST = 16
"""Problems of one request that are told of."""


def from_validation(problems: Sequence[Mapping[str, Any]]) -> ApiError:
    """The first problem; the others would mostly follow from it."""
    error = _first(problems[0])
    error.problems = [
        {"type": problem["type"], "loc": _place(problem["loc"]), "msg": problem["msg"]}
        for problem in problems[:MOST]
    ]
    return error


def missing(name: str, message: str) -> ApiError:
    """A form that lacks a file, as pydantic says it of other fields."""
    problem = {"type": "missing", "loc": ["body", name], "msg": "Field required"}
    return ApiError(400, message, param=name, code="invalid_form", problems=[problem])


def no_json(said: object) -> ApiError:
    """Returns the error for a body that is no JSON."""
    problem = {"type": "json_invalid", "loc": ["body"], "msg": f"JSON decode error: {said}"}
    return ApiError(400, f"the body is not JSON: {said}", code="invalid_json", problems=[problem])


def _place(steps: Sequence[int | str]) -> list[int | str]:
    """Returns where in the request it is; what was validated by itself is in the body."""
    names = [step if isinstance(step, int) else shortened(step, QUOTED_CHARACTERS) for step in steps]
    return names if names and names[0] in WHEREABOUTS else ["body", *names]


def _first(problem: Mapping[str, Any]) -> ApiError:
    place = [step for step in problem["loc"] if step not in WHEREABOUTS]
    # A check over several fields says itself which one is to be changed.
    said = problem["msg"].removeprefix("Value error, ")
    param, _, rest = said.partition(": ")
    if not place and rest and param.isidentifier():
        return ApiError(400, said, param=param, code="invalid_value")
    name = str(place[0]) if place else None
    if not place and problem["type"] in BODY_TYPES:
        return ApiError(
            400, "the body must be a JSON object, with content-type: application/json", code="invalid_json"
        )
    if problem["type"] == "missing":
        return ApiError(400, f"{name or 'the body'} is missing; it is required", param=name, code="missing")
    if problem["type"] == "json_invalid":
        return no_json(problem.get("ctx", {}).get("error"))
    return ApiError(400, f"{name}: {said}" if name else said, param=name, code="invalid_value")
