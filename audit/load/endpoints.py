"""`endpoint = { ... }` and `path = "mlflow:..."` under [model]: to frozen specs and back. Nothing is asked here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from audit.case import EndpointSpec, RegistrySpec
from audit.errors import CaseError
from audit.load import schema
from audit.load.toml import Reader, relative, resolve_path
from audit.load.written import ENDPOINT, EndpointSection, RegistrySection, endpoint_refused
from audit.models.served.addresses import PEOPLE, PLACES, WEB, check_address
from audit.models.served.protocols import PROTOCOLS

_REGISTRY = re.compile(r"mlflow:([^@/:]{1,200})(?:@([^@/:]{1,200})|/([0-9]{1,12}))")


def read(table: Any, folder: Path) -> EndpointSpec:
    """Raises CaseError for an address that is not one, an unknown key or protocol, and keys that do not go together."""
    if not isinstance(table, dict):
        raise endpoint_refused(Reader({"endpoint": table}, "[model]", CaseError), "endpoint")
    at = Reader(table, ENDPOINT, CaseError)
    return from_section(schema.read(at, EndpointSection), at, folder)


def from_section(section: EndpointSection, at: Reader, folder: Path) -> EndpointSpec:
    """The section as it was read by `at`, for what a refusal shows. Raises CaseError."""
    check_address(section.url, PROTOCOLS[section.protocol].schemes, section.plain_text, at.where)
    return EndpointSpec(
        url=section.url,
        protocol=section.protocol,
        send_to=section.send_to,
        output=section.output,
        decision=section.decision,
        columns=section.columns,
        inputs=section.inputs,
        batch=int(section.batch),
        timeout=section.timeout,
        retries=int(section.retries),
        ca=None if section.ca is None else resolve_path(folder, section.ca),
        token_env=section.token_env,
        token_header=section.token_header,
        plain_text=section.plain_text,
        request=_template(section, at),
        answers=None if section.answers is None else resolve_path(folder, section.answers),
    )


def _template(section: EndpointSection, at: Reader) -> str | None:
    request, protocol = section.request, section.protocol
    if (request is not None) != PROTOCOLS[protocol].template:
        raise CaseError(
            f"{at.where} has a `request` for protocol {protocol}" if request is not None
            else f"{at.where} needs a `request`",
            got="none" if request is None else f"request = {request!r}",
            expected='with protocol = "json", and only with it, a template such as request = { instances = "$rows" }',
            todo="the places are $rows (a list of objects), $values (a list of lists), $columns, and $row (one object, "
            "with batch = 1)" if request is None else "remove `request`",
        )  # fmt: skip
    if request is None:
        return None
    placeholders = sorted(set(_texts(request)) & set(PLACES))
    if not set(PEOPLE) & set(placeholders):
        raise at.wrong("request", 'a template that holds "$rows", "$values" or "$row" where the people go')
    if "$row" in placeholders and section.batch != 1:
        raise at.wrong("request", "batch = 1 beside it, since $row is one person")
    if section.output is None and section.decision is None:
        raise CaseError(
            f"{at.where} does not say where the answers stand",
            got="neither `output` nor `decision`",
            expected='a path from the top of the answer, such as decision = "predictions[*].label"',
            todo="write the path to the scores as `output`, to the decisions as `decision`, or both",
        )
    return json.dumps(request, ensure_ascii=False)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [t for v in value.values() for t in _texts(v)]
    if isinstance(value, list):
        return [t for v in value for t in _texts(v)]
    return [value] if isinstance(value, str) else []


def to_table(spec: EndpointSpec, folder: Path) -> dict[str, Any]:
    """As `read` reads it; what is not given is left out."""
    usual = EndpointSpec("", "")
    out: dict[str, Any] = {"url": spec.url, "protocol": spec.protocol}
    for key in EndpointSection.__struct_fields__:
        value = getattr(spec, key)
        if value != getattr(usual, key):
            out[key] = value
    for key in ("ca", "answers"):
        if key in out:
            out[key] = relative(out[key], folder)
    return out if spec.request is None else out | {"request": json.loads(spec.request)}


def registry_of(path: str, section: RegistrySection, folder: Path) -> RegistrySpec:
    """`path = "mlflow:..."`, with registry = { uri, ca, plain_text } beside it. Raises CaseError."""
    match = _REGISTRY.fullmatch(path)
    if not match:
        raise CaseError(
            "`path` in [model] names no model of a registry",
            got=repr(path),
            expected='"mlflow:NAME@ALIAS" or "mlflow:NAME/VERSION", such as "mlflow:credit@champion"',
            todo="an alias or the number of a version says which of the model's versions is meant",
        )
    if section.uri is not None:
        check_address(section.uri, WEB, section.plain_text, "`registry` under [model]")
    ca = None if section.ca is None else resolve_path(folder, section.ca)
    return RegistrySpec(path, match[1], match[2], match[3], section.uri, ca, section.plain_text)


def registry_to_table(spec: RegistrySpec, folder: Path) -> dict[str, Any] | None:
    """The keys of `registry`, None where there are none."""
    out = {
        "uri": spec.uri,
        "ca": None if spec.ca is None else relative(spec.ca, folder),
        "plain_text": spec.plain_text or None,
    }
    return {k: v for k, v in out.items() if v is not None} or None
