"""A served model, and the other keys of `[model]`, as a notebook names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.errors import CaseError
from audit.models.served.protocols import OIP


def endpoint(
    url: str,
    *,
    protocol: str = OIP,
    send_to: str | None = None,
    output: str | None = None,
    decision: str | None = None,
    columns: Sequence[str] = (),
    inputs: str | None = None,
    request: Mapping[str, Any] | None = None,
    batch: int | None = None,
    timeout: float | None = None,
    retries: int | None = None,
    token_env: str | None = None,
    token_header: str | None = None,
    ca: str | Path | None = None,
    plain_text: bool = False,
) -> dict[str, Any]:
    """A model that another program serves, for `assay.audit(model=...)`; nothing is asked yet.

    Parameters
    ----------
    url : str
        The address, for example "https://host/v2/models/NAME".
    protocol : str
        "oip" (Open Inference Protocol over REST), "oip-grpc", "mlflow" or "json".
    send_to : str | None
        "host:port": you agree that the features of every person are sent there. Without it the audit is refused, and
        the message lists what would be sent.
    output : str | None
        Where the scores stand in an answer (protocol "json": a path such as "out[*].p").
    decision : str | None
        Where the decisions stand.
    columns : Sequence[str]
        The classes of the columns of scores, in their order.
    inputs : str | None
        "columns" (a tensor for each feature) or "tensor" (one for all); default: as the server says.
    request : Mapping[str, Any] | None
        With protocol "json": the template of a question, for example `{"people": "$rows"}`.
    batch : int | None
        Rows a question (default 1000).
    timeout : float | None
        Seconds for a whole answer (default 30).
    retries : int | None
        Tries after the first (default 3).
    token_env : str | None
        The environment variable that holds the token; the token itself is never written.
    token_header : str | None
        The header that it goes into (default "Authorization").
    ca : str | Path | None
        Certificates to trust in place of the system's.
    plain_text : bool
        Unencrypted traffic to another machine is meant.

    Returns
    -------
    dict[str, Any]
        The key `endpoint` of `[model]` in a case file (docs/served-models.md).

    Raises
    ------
    AssayError
        CaseError for an address, a protocol or keys that cannot be used.
    """
    from audit.load.endpoints import read

    settings = {
        "url": url, "protocol": protocol, "send_to": send_to, "output": output, "decision": decision,
        "columns": list(columns) or None, "inputs": inputs, "request": None if request is None else dict(request),
        "batch": batch, "timeout": timeout, "retries": retries, "token_env": token_env, "token_header": token_header,
        "ca": None if ca is None else str(Path(ca).absolute()), "plain_text": plain_text or None,
    }  # fmt: skip
    kept = {k: v for k, v in settings.items() if v is not None}
    read(kept, Path.cwd())
    return {"endpoint": kept}


def section(keys: Mapping[str, Any], features: Sequence[str] | None) -> dict[str, Any]:
    """The `[model]` section that a notebook gives as a mapping; its files are found from where the notebook runs.

    Raises CaseError for an endpoint without features: a person names what leaves the machine.
    """
    if "endpoint" in keys and features is None:
        raise CaseError(
            "it is not said what is sent to the endpoint",
            got="no features",
            expected="the columns that the model reads; nothing else of a person is sent",
            todo="pass features=[...]",
        )
    resolved = dict(keys)
    for key in ("path", "python"):  # a link to an environment's interpreter stays: where it stands is what it is
        if key in resolved and not str(resolved[key]).startswith("mlflow:"):
            resolved[key] = str(Path(resolved[key]).absolute())
    return resolved
