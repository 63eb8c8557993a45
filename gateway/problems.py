"""What pydantic found wrong with a request, as one error that names the field."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import ApiError

# What pydantic calls a body that is something else than an object.
# What stands before the place in a request; the last two where a body can be of one of several kinds.
WHEREABOUTS = ("body", "query", "path", "openai", "chatterbox")
BODY_TYPES = ("model_attributes_type", "model_type", "dict_type")


def from_validation(problems: Sequence[Mapping[str, Any]]) -> ApiError:
    """The first problem; the others would mostly follow from it."""
    problem = problems[0]
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
        return ApiError(
            400, f"the body is not JSON: {problem.get('ctx', {}).get('error')}", code="invalid_json"
        )
    return ApiError(400, f"{name}: {said}" if name else said, param=name, code="invalid_value")
