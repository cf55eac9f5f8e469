"""The table of protocols: a row holds its addresses, what to say of it, and the line that speaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.case import EndpointSpec
from audit.models.served.addresses import GRPC, WEB

if TYPE_CHECKING:
    from audit.models.served.line import Line


@dataclass(frozen=True, slots=True)
class Protocol:
    """schemes: of its addresses, the encrypted one first. template: whether the case writes the request itself."""

    name: str
    schemes: tuple[str, ...]
    line: Callable[[EndpointSpec], Line]
    words: str = ""
    template: bool = False


# Imported where they are called: reading a case file starts no client.


def _oip(spec: EndpointSpec) -> Line:
    from audit.models.served.oip import Oip

    return Oip(spec)


def _grpc(spec: EndpointSpec) -> Line:
    from audit.models.served.oip_grpc import OipGrpc

    return OipGrpc(spec)


def _mlflow(spec: EndpointSpec) -> Line:
    from audit.models.served.scoring import Mlflow

    return Mlflow(spec)


def _template(spec: EndpointSpec) -> Line:
    from audit.models.served.template import Template

    return Template(spec)


OIP = "oip"
PROTOCOLS: dict[str, Protocol] = {
    row.name: row
    for row in (
        Protocol(OIP, WEB, _oip, "Open Inference Protocol (KServe, Triton, MLServer)"),
        Protocol("oip-grpc", GRPC, _grpc),
        Protocol("mlflow", WEB, _mlflow, "its scoring server"),
        Protocol("json", WEB, _template, "a template", template=True),
    )
}


def line_to(spec: EndpointSpec) -> Line:
    """The line to an endpoint; nothing is asked yet. Raises ModelError for an address that names no model."""
    return PROTOCOLS[spec.protocol].line(spec)
