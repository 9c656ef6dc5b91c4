"""The description of the API (OpenAPI), with the commands, events and settings of a session among its parts."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ildm.session.message_schema import message_schema
from ildm.session.service.messages import Opening
from ildm.session.wire import adapter
from ildm.studio.api.bodies import MASKS, PICTURES

_DEFINITIONS, _PREFIX = "#/$defs/", "#/components/schemas/"
_ABOUT = """Live sessions of latent diffusion models: begin one, change anything while the picture forms, follow it, fetch the picture.

Programs send their token as `Authorization: Bearer ...`. Every answer of a status from 400 on has the form `ErrorAnswer`.
Wherever a command has a picture or a mask, `{"upload": ID}` may stand for one that was sent before."""


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole description, made once."""
    if app.openapi_schema is None:
        found = get_openapi(title="ildm studio", version=app.version, description=_ABOUT, routes=app.routes)
        parts = found["components"]["schemas"]
        for name, part in _parts().items():
            parts[name] = _with_uploads(part) if _holds_files(part) else part
        parts["UploadReference"] = {
            "type": "object",
            "description": "Stands for a file that was sent before.",
            "properties": {"upload": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
            "required": ["upload"],
            "additionalProperties": False,
        }
        command = parts["EditRequest"]["properties"]["command"]
        parts["EditRequest"]["properties"]["command"] = {
            "$ref": f"{_PREFIX}Command",
            "examples": command.get("examples", []),
        }
        parts.get("HTTPValidationError", {}).clear()
        for unused in ("HTTPValidationError", "ValidationError"):
            parts.pop(unused, None)
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
        app.openapi_schema = found
    return app.openapi_schema


def _parts() -> dict[str, Any]:
    text = {name: _moved(part) for name, part in message_schema()["$defs"].items()}
    opening = adapter(Opening).json_schema(ref_template=_PREFIX + "{model}")
    text |= {name: part for name, part in opening.pop("$defs", {}).items() if name not in text}
    return text | {"Opening": opening}


def _moved(value: Any) -> Any:
    """The same with references to where the parts of an API lie."""
    if isinstance(value, dict):
        return {name: _moved(part) for name, part in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_moved(part) for part in cast("list[Any]", value)]
    return value.replace(_DEFINITIONS, _PREFIX) if isinstance(value, str) else value


def _holds_files(part: dict[str, Any]) -> bool:
    return bool({*PICTURES, *MASKS} & part.get("properties", {}).keys())


def _with_uploads(part: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"{_PREFIX}UploadReference"}
    told = dict(part["properties"])
    for name in {*PICTURES, *MASKS} & told.keys():
        told[name] = {"anyOf": [told[name], reference]}
    return part | {"properties": told}
