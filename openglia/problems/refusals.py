"""Validation by pydantic, refused in one line: the file, the key in dotted form, the reason."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from openglia.errors import UsageError, shown

_KEY = "key"  # the error of ours that names a key of the model at hand


class Model(BaseModel):
    """Strict; a key that it does not have is refused, and those that it has are named."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        for key in values if isinstance(values, Mapping) else ():
            if key not in cls.model_fields:
                known = ", ".join(cls.model_fields)
                raise refusal(str(key), f"is not a key here; known: {known}")
        return values


def refusal(key: str, reason: str) -> PydanticCustomError:
    """To be raised by a validator: what is wrong with ``key`` of its model ("": with the value)."""
    return PydanticCustomError(_KEY, "{reason}", {"key": key, "reason": reason})


def validated[M: BaseModel](
    model: type[M], values: Mapping[Any, Any], file: Path, tags: Collection[str]
) -> M:
    """The model of a file's mapping.

    Args:
        tags: the keys that tell the members of unions apart.

    Raises:
        UsageError: it is not valid; one line.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        details = error.errors()[0]
    key = _dotted(details, values, tags)
    raise UsageError(f"{file}: {key}: {_reason(details)}" if key else f"{file}: {_reason(details)}")


def _dotted(details: ErrorDetails, values: Any, tags: Collection[str]) -> str:
    """``cluster.replicas``, ``prompt[1].mu``. The names of a union's members are left out."""
    found, entered = "", False
    context = details.get("ctx") or {}
    own = [context["key"]] if details["type"] == _KEY and context["key"] else []
    if details["type"].startswith("union_tag"):
        own = [context["discriminator"].strip("'")]
    for part in (*details["loc"], *own):
        if isinstance(part, int):
            found += f"[{part}]"
            values = values[part] if isinstance(values, list) and part < len(values) else None
            continue
        mapping = values if isinstance(values, Mapping) else {}
        if entered and part in [mapping.get(tag) for tag in tags]:
            entered = False  # a member's name, which is a value of the mapping and no key
            continue
        found += f".{part}" if found else str(part)
        values, entered = mapping.get(part), True
    return found


def _reason(details: ErrorDetails) -> str:
    context, value = details.get("ctx") or {}, shown(details["input"])
    match details["type"]:
        case "key":
            return str(context["reason"])
        case "missing" | "union_tag_not_found":
            return "is missing"
        case "literal_error":
            return f"must be one of {_listed(context['expected'])}, not {value}"
        case "union_tag_invalid":
            return (
                f"must be one of {_listed(context['expected_tags'])}, not {shown(context['tag'])}"
            )
        case "greater_than":
            return f"must be above {context['gt']:g}, not {value}"
        case "greater_than_equal":
            return f"must be at least {context['ge']:g}, not {value}"
        case "less_than":
            return f"must be below {context['lt']:g}, not {value}"
        case "less_than_equal":
            return f"must be at most {context['le']:.10g}, not {value}"
        case "tuple_type":
            return f"must be a list, not {value}"
        case "bool_type":
            return f"must be true or false, not {value}"
        case "list_type" | "too_short":
            return f"must be a list with at least one entry, not {value}"
        case "model_type" | "model_attributes_type":
            return f"must be a mapping, not {value}"
        case "string_type":
            return f"must be a text, not {value}"
        case "none_required":
            return "is not a key here"
    return " ".join(details["msg"].split())


def _listed(expected: str) -> str:
    return ", ".join(re.findall(r"'([^']*)'", expected))
