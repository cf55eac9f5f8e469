"""The protocols, a row each."""

from __future__ import annotations

from audit.case import EndpointSpec
from audit.models.served.line import Line
from audit.models.served.oip import Oip
from audit.models.served.scoring import Mlflow
from audit.models.served.template import Template


def _grpc(spec: EndpointSpec) -> Line:
    from audit.models.served.oip_grpc import OipGrpc

    return OipGrpc(spec)


LINES = {"oip": Oip, "oip-grpc": _grpc, "mlflow": Mlflow, "json": Template}


def line_to(spec: EndpointSpec) -> Line:
    """The line to an endpoint; nothing is asked yet. Raises ModelError for an address that names no model."""
    return LINES[spec.protocol](spec)
