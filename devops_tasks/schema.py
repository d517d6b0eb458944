"""The spec's JSON Schema (2020-12), from the same fields that the tool itself reads by.

Lives here: shapes to schemas. What holds between keys (``rules``) and names that must differ within a list cannot be
said in a schema: it takes every spec that the tool takes, and some more. Must not: a key of its own, files.
"""

from typing import Any

from devops_tasks.defaults import DERIVED
from devops_tasks.fields import MISSING, Entries, Field, Kind, Listing, Nested, Record, Schema, Shape, Tree, record_of
from devops_tasks.spec import SPEC

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DERIVED = {row.path: row.doc for row in DERIVED}


def spec_schema(shape: Nested[Any] = SPEC) -> Schema:
    """Make the schema of the whole spec; what occurs twice stands twice, each time with the docs of its place."""
    return {"$schema": DIALECT, "title": "A devops-tasks spec", **_record(shape.record, "")}


def defaults_schema(shape: Nested[Any] = SPEC) -> Schema:
    """Make the schema of a file of defaults: the same keys, none of which must be there; but a policy is whole."""
    loose = _loosened(shape)
    loose.record.fields["policy"] = shape.record.fields["policy"]
    return {**spec_schema(loose), "title": "Defaults of devops-tasks specs"}


def _loosened(shape: Any) -> Any:  # noqa: ANN401 - whatever shape it is, it stays one
    """Let every key of a shape be left out."""
    if isinstance(shape, Listing):
        return shape._replace(item=_loosened(shape.item))
    if not isinstance(shape, Nested):
        return shape
    fields = shape.record.fields.items()
    loose = {name: field._replace(required=False, shape=_loosened(field.shape)) for name, field in fields}
    return shape._replace(record=record_of(shape.record, loose))


def derived_doc(path: str) -> str:
    """Say in words what the computed default of a key is (``services[].port``); empty where there is none."""
    return _DERIVED.get(path, "")


def _record(record: type[Record], path: str) -> Schema:
    """Refuse every key but those that are built: one of a later version would be an error of the tool as well."""
    fields = {name: field for name, field in record.fields.items() if not field.later}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, field in fields.items() if field.required],
        "properties": {name: _field(field, f"{path}.{name}".lstrip(".")) for name, field in fields.items()},
    }


def _field(field: Field, path: str) -> Schema:
    schema = _shape(field.shape, path)
    said: Schema = {"description": _description(field, path)}
    if field.default is not MISSING:
        said["default"] = _value(schema, field.default)
    if field.example is not MISSING:
        said["examples"] = [_value(schema, field.sample)]
    return {**said, **(schema if field.required else _or_null(schema))}


def _description(field: Field, path: str) -> str:
    notation = field.shape.expected if isinstance(field.shape, Kind) and not field.shape.free else ""
    computed = derived_doc(path)
    parts = (field.doc, f"Write {notation}" if notation else "", f"Default: {computed}" if computed else "")
    return " ".join(f"{part}." for part in parts if part)


def _value(schema: Schema, tree: Tree) -> Tree:
    """Write a default as an editor would: ``3000`` and ``true`` without quotes where they are a number or a boolean."""
    types = schema.get("type", ())
    if "integer" in types and isinstance(tree, str) and tree.isdecimal():
        return int(tree)
    if "boolean" in types and "pattern" in schema and tree in {"true", "false"}:
        return tree == "true"
    return tree


def _or_null(schema: Schema) -> Schema:
    """Allow a key without a value, which counts as not given."""
    if "anyOf" in schema:
        return {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    types = schema["type"]
    return {**schema, "type": [*([types] if isinstance(types, str) else types), "null"]}


def _shape(shape: Shape, path: str) -> Schema:
    match shape:
        case Kind():
            return shape.schema
        case Entries(key, value):
            names = {"pattern": key.schema["pattern"], "maxLength": key.schema["maxLength"]}
            return {"type": "object", "propertyNames": names, "additionalProperties": _or_null(_shape(value, path))}
        case Listing(item, _, least, distinct, most, alone):
            items: Schema = {"type": "array", "items": _shape(item, f"{path}[]"), "maxItems": most}
            items |= {"uniqueItems": True} if distinct else {}
            single = [_shape(item, path)] if alone else []
            return {**items, "minItems": least} if least else {"anyOf": [items, *single, {"const": "none"}]}
        case Nested(record, word, none):
            others: list[Schema] = [{"const": "none"}] if none else []
            others += [_shape(record.fields[word].shape, path)] if word else []
            return {"anyOf": [_record(record, path), *others]} if others else _record(record, path)
