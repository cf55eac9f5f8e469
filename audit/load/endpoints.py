"""`endpoint = { ... }` and `path = "mlflow:..."` under [model]: to frozen specs and back. Nothing is asked here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from audit.case import EndpointSpec, RegistrySpec
from audit.errors import CaseError
from audit.load.toml import Reader, beside, relative
from audit.models.served.addresses import WEB, check_address
from audit.models.served.protocols import PROTOCOLS

_KEYS = (
    "url", "protocol", "send_to", "output", "decision", "columns", "inputs", "batch", "timeout", "retries", "ca",
    "token_env", "token_header", "plain_text", "request", "answers",
)  # fmt: skip
_PLACES = ("$rows", "$values", "$columns", "$row")
_REGISTRY = re.compile(r"mlflow:([^@/:]{1,200})(?:@([^@/:]{1,200})|/([0-9]{1,12}))")


def read(table: Any, folder: Path) -> EndpointSpec:
    """Raises CaseError for an address that is not one, an unknown key or protocol, and keys that do not go together."""
    where = "`endpoint` under [model]"
    if not isinstance(table, dict):
        raise CaseError(
            f"{where} is no table",
            got=f"endpoint = {table!r}",
            expected='an address and a protocol, endpoint = { url = "https://...", protocol = "oip" }',
            todo=f'write endpoint = {{ url = {json.dumps(str(table))}, protocol = "oip" }}; the protocols are '
            + ", ".join(PROTOCOLS),
        )
    at = Reader(table, where, CaseError)
    at.allow(*_KEYS)
    protocol = at.choice("protocol", PROTOCOLS)
    url = str(at.text("url", required=True))
    plain = _truth(at, "plain_text")
    check_address(url, PROTOCOLS[protocol].schemes, plain, where)
    batch, retries = at.number("batch", low=1, high=100_000), at.number("retries", low=0, high=10)
    for key, value in (("batch", batch), ("retries", retries)):
        if value is not None and not value.is_integer():
            raise at.wrong(key, "a whole number")
    timeout = at.number("timeout", low=0.001, high=3600)
    token, header, ca, answers = at.text("token_env"), at.text("token_header"), at.text("ca"), at.text("answers")
    if token is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", token):
        # What stands there may be the token itself: it is not shown.
        raise CaseError(
            f"`token_env` in {where} is no name of a variable",
            got="text with other signs than letters, digits and _",
            expected='the name of an environment variable that holds the token, such as "ASSAY_ENDPOINT_TOKEN"',
            todo="put the token into a variable and write the variable's name; a token never stands in a case file",
        )
    if header is not None and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", header):
        raise at.wrong("token_header", "the name of an HTTP header, such as Authorization or X-Api-Key")
    return EndpointSpec(
        url=url,
        protocol=protocol,
        send_to=at.text("send_to"),
        output=at.text("output"),
        decision=at.text("decision"),
        columns=at.texts("columns") or (),
        inputs=at.choice("inputs", ("columns", "tensor")) if "inputs" in table else None,
        batch=1000 if batch is None else int(batch),
        timeout=30.0 if timeout is None else timeout,
        retries=3 if retries is None else int(retries),
        ca=None if ca is None else beside(folder, ca),
        token_env=token,
        token_header=header or "Authorization",
        plain_text=plain,
        request=_template(at, protocol),
        answers=None if answers is None else beside(folder, answers),
    )


def _template(at: Reader, protocol: str) -> str | None:
    given = at.section("request") if "request" in at.table else None
    if (given is not None) != PROTOCOLS[protocol].template:
        raise CaseError(
            f"{at.where} needs a `request`" if given is None else f"{at.where} has a `request` for protocol {protocol}",
            got="none" if given is None else f"request = {given!r}",
            expected='with protocol = "json", and only with it, a template such as request = { instances = "$rows" }',
            todo="the places are $rows (a list of objects), $values (a list of lists), $columns, and $row (one object, "
            "with batch = 1)" if given is None else "remove `request`",
        )  # fmt: skip
    if given is None:
        return None
    found = sorted(set(_texts(given)) & set(_PLACES))
    if not {"$rows", "$values", "$row"} & set(found):
        raise at.wrong("request", 'a template that holds "$rows", "$values" or "$row" where the people go')
    if "$row" in found and at.table.get("batch") != 1:
        raise at.wrong("request", "batch = 1 beside it, since $row is one person")
    if "output" not in at.table and "decision" not in at.table:
        raise CaseError(
            f"{at.where} does not say where the answers stand",
            got="neither `output` nor `decision`",
            expected='a path from the top of the answer, such as decision = "predictions[*].label"',
            todo="write the path to the scores as `output`, to the decisions as `decision`, or both",
        )
    return json.dumps(given, ensure_ascii=False)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [t for v in value.values() for t in _texts(v)]
    if isinstance(value, list):
        return [t for v in value for t in _texts(v)]
    return [value] if isinstance(value, str) else []


def _truth(at: Reader, key: str) -> bool:
    value = at.table.get(key, False)
    if not isinstance(value, bool):
        raise at.wrong(key, "true or false")
    return value


def to_table(spec: EndpointSpec, folder: Path) -> dict[str, Any]:
    """As `read` reads it; what is not given is left out."""
    usual = EndpointSpec("", "")
    out: dict[str, Any] = {"url": spec.url, "protocol": spec.protocol}
    for key in _KEYS[2:]:
        value = getattr(spec, key)
        if value != getattr(usual, key):
            out[key] = value
    for key in ("ca", "answers"):
        if key in out:
            out[key] = relative(out[key], folder)
    if spec.request is not None:
        out["request"] = json.loads(spec.request)
    return out


def read_registry(path: str, at: Reader, folder: Path) -> RegistrySpec:
    """`path = "mlflow:..."`, with registry = { uri, ca, plain_text } beside it. Raises CaseError."""
    found = _REGISTRY.fullmatch(path)
    if not found:
        raise CaseError(
            "`path` in [model] names no model of a registry",
            got=repr(path),
            expected='"mlflow:NAME@ALIAS" or "mlflow:NAME/VERSION", such as "mlflow:credit@champion"',
            todo="an alias or the number of a version says which of the model's versions is meant",
        )
    inner = Reader(at.section("registry"), "`registry` under [model]", CaseError)
    inner.allow("uri", "ca", "plain_text")
    uri, ca, plain = inner.text("uri"), inner.text("ca"), _truth(inner, "plain_text")
    if uri is not None:
        check_address(uri, WEB, plain, inner.where)
    return RegistrySpec(path, found[1], found[2], found[3], uri, None if ca is None else beside(folder, ca), plain)


def registry_to_table(spec: RegistrySpec, folder: Path) -> dict[str, Any] | None:
    """The keys of `registry`, None where there are none."""
    out = {
        "uri": spec.uri,
        "ca": None if spec.ca is None else relative(spec.ca, folder),
        "plain_text": spec.plain_text or None,
    }
    return {k: v for k, v in out.items() if v is not None} or None
