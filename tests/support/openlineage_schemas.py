"""Judges OpenLineage events by the classes of openlineage-python, which are generated from the published schemas.

The JSON schemas themselves are in no package of the registries. From a class follow the same rules: which fields there
are, which are required, their types and formats, and the schema's address with its version. It is stricter in one
respect: a field that the schema does not know is an error.
"""

import functools
import importlib
import pkgutil
import re
import types
import typing
from datetime import datetime
from enum import Enum
from typing import Any

import attr
from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client import generated
from openlineage.client.generated import base

_FORMATS = {
    "eventTime": "date-time", "captureDate": "date-time", "lastUpdated": "date-time", "runId": "uuid",
    "producer": "uri", "_producer": "uri", "_schemaURL": "uri", "schemaURL": "uri", "url": "uri", "uri": "uri",
}  # fmt: skip
_ALWAYS = ("eventTime", "eventType", "producer", "schemaURL", "_producer", "_schemaURL")
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}
_KEYS = {
    "DatasourceDatasetFacet": "dataSource",
    "ProcessingEngineRunFacet": "processing_engine",
    "SQLJobFacet": "sql",
}
_ENTITY = re.compile(r"(Input|Output)?(Dataset|Run|Job)Facet$")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")

formats = FormatChecker(["uuid"])


@formats.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    """RFC 3339: a date, a time and a zone."""
    text = str(value)
    return "T" in text and datetime.fromisoformat(text).tzinfo is not None


@formats.checks("uri")
def _is_uri(value: object) -> bool:
    """RFC 3986: a scheme, and no characters that a URI has to encode."""
    return _URI.fullmatch(str(value)) is not None


def problems(event: dict[str, Any]) -> list[str]:
    """What is wrong with an event and each of its facets; empty for a valid one."""
    found = _errors(base.RunEvent, event, "event")
    if found:
        return found
    places = [(event["run"], "facets", base.RunFacet), (event["job"], "facets", base.JobFacet)]
    places += [(dataset, "facets", base.DatasetFacet) for dataset in [*event["inputs"], *event["outputs"]]]
    places += [(dataset, "inputFacets", base.InputDatasetFacet) for dataset in event["inputs"]]
    places += [(dataset, "outputFacets", base.OutputDatasetFacet) for dataset in event["outputs"]]
    for holder, name, kind in places:
        for key, facet in holder.get(name, {}).items():
            found += _of_facet(key, facet, kind)
    return found


def dataset_facet_problems(key: str, facet: dict[str, Any]) -> list[str]:
    """What is wrong with one facet of a dataset; empty for a valid one."""
    return _of_facet(key, facet, base.DatasetFacet)


def _of_facet(key: str, facet: dict[str, Any], kind: type) -> list[str]:
    published = _published().get(facet["_schemaURL"])
    if published is None:
        return [f"{key}: no published schema has the address {facet['_schemaURL']}"]
    found = _errors(published, facet, key)
    if not issubclass(published, kind):
        found.append(f"{key}: a {published.__name__} does not belong to a {kind.__name__}")
    if key != _key(published.__name__):
        found.append(f"{key}: a {published.__name__} is called {_key(published.__name__)}")
    return found


def _key(name: str) -> str:
    stem = _ENTITY.sub("", name)
    return _KEYS.get(name) or stem[0].lower() + stem[1:]


def _errors(published: type, value: object, where: str) -> list[str]:
    return [
        f"{where}{error.json_path[1:]}: {error.message}" for error in _validator(published).iter_errors(value)
    ]


@functools.cache
def _published() -> dict[str, type]:
    """Every published facet's class, by the address of its schema."""
    found = {}
    for module in pkgutil.iter_modules(generated.__path__):
        for item in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
            if isinstance(item, type) and issubclass(item, base.BaseFacet):
                found[item._get_schema()] = item
    return found


@functools.cache
def _validator(published: type) -> Draft202012Validator:
    definitions: dict[str, Any] = {}
    schema = {"$ref": _define(published, definitions), "$defs": definitions}
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=formats)


def _define(published: type, definitions: dict[str, Any]) -> str:
    """Adds the class to the definitions, which it may refer to itself, and returns the reference."""
    name = f"{published.__module__}.{published.__name__}"
    if name in definitions:
        return f"#/$defs/{name}"
    definitions[name] = {}
    kinds = typing.get_type_hints(published, localns=vars(typing))
    fields = attr.fields(published)
    rules = {field.name: _rule(field.name, kinds[field.name], definitions) for field in fields}
    for address in {"schemaURL", "_schemaURL"} & rules.keys():
        rules[address] = {"const": published._get_schema()}
    definitions[name] = {
        "type": "object",
        "properties": rules,
        "required": [
            field.name for field in fields if field.default is attr.NOTHING or field.name in _ALWAYS
        ],
        "additionalProperties": False,
    }
    return f"#/$defs/{name}"


def _rule(name: str, kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        kinds = [_rule(name, item, definitions) for item in arguments if item is not type(None)]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    if origin is list:
        return {"type": "array", "items": _rule("", arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _rule("", arguments[1], definitions)}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]} | ({"format": _FORMATS[name]} if name in _FORMATS else {})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [item.value for item in kind]}
    if isinstance(kind, type) and issubclass(kind, base.BaseFacet):
        # Each facet is judged by the schema that it names.
        return {"type": "object", "required": ["_producer", "_schemaURL"]}
    if attr.has(kind):
        return {"$ref": _define(kind, definitions)}
    return {}
