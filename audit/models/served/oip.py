"""The Open Inference Protocol (v2) over REST, as KServe, Triton, MLServer and OpenVINO speak it.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from audit.case import EndpointSpec
from audit.errors import DataError, ModelError
from audit.load.values import name_of
from audit.models.loaded import one_line
from audit.models.served.line import Raw, Rest, Server, Tensor, cells, check_numbers, dump, no_answer, parsed
from audit.numbers import many

INTEGERS = {f"{sign}INT{bits}": f"{sign.lower()}int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
BROKEN = {"FP16": "float16", "FP32": "float32", "FP64": "float64"}
CLASSES = (*INTEGERS, "BOOL", "BYTES")
"""Datatypes that hold decisions; the others hold scores."""


class Oip(Rest):
    """url: .../v2/models/NAME, with /versions/V where one version is meant."""

    words = "Open Inference Protocol over REST"

    def __init__(self, spec: EndpointSpec) -> None:
        super().__init__(spec)
        self._base, self._model = model_path(spec)
        self.path = f"{self._base}/infer"

    def facts(self) -> Server:
        root = self._base[: self._base.index("/v2/models/")]
        server = self.get(f"{root}/v2", needed=False) or {}
        model = self.get(self._base)
        if not isinstance(model, dict) or not isinstance(server, dict):
            raise no_answer("no metadata of the model")
        versions = model.get("versions") or []
        version = model.get("version") or ",".join(str(v) for v in versions if isinstance(v, (str, int)))
        return Server(
            one_line(server.get("name") or "", 80),
            one_line(server.get("version") or "", 80),
            one_line(model.get("name") or self._model, 80),
            one_line(version, 80),
            one_line(model.get("platform") or "", 80),
            _tensors(model.get("inputs")),
            _tensors(model.get("outputs")),
        )

    def question(self, frame: pd.DataFrame, server: Server) -> bytes:
        inputs = []
        for tensor, values in tensors(frame, self.spec, server):
            inputs.append(
                {
                    "name": tensor.name,
                    "shape": list(tensor.shape),
                    "datatype": tensor.datatype,
                    # MLServer reads text as such where it is told so; other servers pass parameters over.
                    **({"parameters": {"content_type": "str"}} if tensor.datatype == "BYTES" else {}),
                    "data": values,
                }
            )
        document: dict[str, Any] = {"inputs": inputs}
        if not server.inputs:
            document["parameters"] = {"content_type": "pd"}
        if wanted := [n for n in (self.spec.output, self.spec.decision) if n is not None]:
            document["outputs"] = [{"name": n} for n in wanted]
        return dump(document)

    def read(self, body: bytes, rows: int) -> Raw:
        document = parsed(body)
        outputs = document.get("outputs") if isinstance(document, dict) else None
        if not isinstance(outputs, list) or not all(isinstance(o, dict) and "name" in o for o in outputs):
            raise no_answer("no `outputs`")
        decoded = {}
        for output in outputs:
            name, datatype, shape = str(output["name"]), str(output.get("datatype")), output.get("shape")
            data = output.get("data")
            while isinstance(data, list) and data and isinstance(data[0], list):
                data = [x for part in data for x in (part if isinstance(part, list) else [part])]
            if not isinstance(data, list) or not isinstance(shape, list) or not all(type(s) is int for s in shape):
                raise no_answer(f"the output {name[:80]!r} has no shape or no data")
            decoded[name] = (datatype, tuple(shape), data)
        return chosen(decoded, rows, self.spec, one_line(document.get("model_version") or "", 80))


def model_path(spec: EndpointSpec) -> tuple[str, str]:
    """The path of the model and its name. Raises ModelError for an address without one."""
    path = urlsplit(spec.url).path.rstrip("/")
    parts = path.split("/")
    good = "v2" in parts and parts[parts.index("v2") + 1 : parts.index("v2") + 2] == ["models"]
    rest = parts[parts.index("v2") + 2 :] if good else []
    if len(rest) == 3 and rest[1] == "versions":
        return path, rest[0]
    if len(rest) != 1 or not rest[0]:
        raise ModelError(
            "the address of the endpoint names no model",
            got=f"the path {path or '/'}",
            expected=f"{spec.url.split('://')[0]}://host:port/v2/models/NAME, or .../NAME/versions/V",
            todo="add /v2/models/ and the model's name to `url`",
        )
    return path, rest[0]


def _tensors(entries: Any) -> tuple[Tensor, ...]:
    out = []
    for one in entries if isinstance(entries, list) else []:
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            shape = [s for s in one.get("shape") or () if isinstance(s, int)]
            out.append(Tensor(one_line(one["name"], 200), one_line(one.get("datatype") or "", 20), tuple(shape)))
    return tuple(out)


def tensors(frame: pd.DataFrame, spec: EndpointSpec, server: Server) -> list[tuple[Tensor, list[Any]]]:
    """The rows as the server takes them: a tensor for each feature, or one of numbers for all. None is a missing value.

    Raises ModelError where the features are not the server's inputs, DataError for values that it does not take.
    """
    names = [str(c) for c in frame.columns]
    whole = spec.inputs == "tensor" or (
        spec.inputs is None and len(server.inputs) == 1 and [t.name for t in server.inputs] != names
    )
    if whole:
        known = server.inputs[0] if len(server.inputs) == 1 else Tensor("input", "FP64", (-1, -1))
        if len(server.inputs) > 1 or (len(known.shape) == 2 and known.shape[1] not in (-1, len(names))):
            raise _other_inputs(names, server)
        if known.datatype == "BYTES":
            raise _other_inputs(names, server)
        columns = [_values(frame.iloc[:, at], n, known.datatype) for at, n in enumerate(names)]
        flat = [v for row in zip(*columns, strict=True) for v in row]
        return [(Tensor(known.name, known.datatype, (len(frame), len(names))), flat)]
    if server.inputs and {t.name for t in server.inputs} != set(names):
        raise _other_inputs(names, server)
    known_by = {t.name: t for t in server.inputs}
    out = []
    for at, name in enumerate(names):
        known = known_by.get(name) or Tensor(name, _datatype(frame.iloc[:, at]), (-1, 1))
        shape = (len(frame),) if len(known.shape) == 1 else (len(frame), 1)
        out.append((Tensor(name, known.datatype, shape), _values(frame.iloc[:, at], name, known.datatype)))
    return out


def _other_inputs(names: list[str], server: Server) -> ModelError:
    def listed(features: list[str]) -> str:
        return ", ".join(repr(n) for n in features[:12]) + (
            f" and {len(features) - 12} more" if len(features) > 12 else ""
        )

    inputs = [t.name for t in server.inputs]
    shapes = ", ".join(f"{t.name!r} {t.datatype} {list(t.shape)}" for t in server.inputs[:12])
    absent = [n for n in inputs if n not in names]
    more = [n for n in names if n not in inputs]
    return ModelError(
        "the endpoint takes other inputs than the case's features",
        got=f"{many(len(names), 'feature')}: {listed(names)}",
        expected=f"what the server names: {shapes}",
        todo="correct `features` under [data]: they are sent as they stand there, and nothing else is"
        + (f"; not there yet: {listed(absent)}" if absent else "")
        + (f"; not taken: {listed(more)}" if more and len(inputs) > 1 else ""),
    )


def _datatype(values: pd.Series) -> str:
    dtype = values.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return "BOOL"
    if pd.api.types.is_integer_dtype(dtype):
        return "INT64"
    return "FP64" if pd.api.types.is_numeric_dtype(dtype) else "BYTES"


def _values(values: pd.Series, name: str, datatype: str) -> list[Any]:
    """The column's values as the datatype wants them. Raises DataError."""
    out = cells(values, name)
    text = datatype == "BYTES"
    wrong = next((v for v in out if v is not None and isinstance(v, str) != text), None)
    if wrong is None and datatype in INTEGERS:
        low, high = np.iinfo(INTEGERS[datatype]).min, np.iinfo(INTEGERS[datatype]).max
        wrong = next((v for v in out if v is not None and (v != int(v) or not low <= v <= high)), None)
        out = out if wrong is not None else [None if v is None else int(v) for v in out]
    elif wrong is None and datatype in BROKEN:
        out = [None if v is None else float(v) for v in out]
    elif wrong is None and datatype == "BOOL":
        wrong = next((v for v in out if v is not None and v not in (0, 1)), None)
        out = out if wrong is not None else [None if v is None else bool(v) for v in out]
    if wrong is not None:
        raise DataError(
            "a column of the data is not what the endpoint takes",
            got=f"{name!r} holds {one_line(repr(wrong), 60)}",
            expected=f"{datatype}, as the server's metadata say",
            todo="give the column the type that the model was trained on",
        )
    return out


def chosen(
    outputs: dict[str, tuple[str, tuple[int, ...], list[Any]]], rows: int, spec: EndpointSpec, version: str
) -> Raw:
    """Scores and decisions among the outputs: name -> datatype, shape, flat data. Raises ModelError."""
    names = {"output": spec.output, "decision": spec.decision}
    for key, name in names.items():
        if name is not None and name not in outputs:
            raise ModelError(
                f"the endpoint has no output {name!r}, which the case names as `{key}`",
                got=", ".join(repr(n[:80]) for n in list(outputs)[:12]) or "no outputs",
                expected=repr(name),
                todo=f"correct `{key}` of the endpoint",
            )
    if not any(names.values()):
        if len(outputs) != 1:
            raise ModelError(
                "the endpoint has several outputs, and the case does not say which is meant",
                got=", ".join(f"{n[:80]!r} ({t})" for n, (t, _, _) in list(outputs.items())[:12]) or "none",
                expected="output = the name of the scores, decision = the name of the decisions, or both",
                todo="write them into `endpoint`",
            )
        name, (datatype, _, _) = next(iter(outputs.items()))
        names["decision" if datatype in CLASSES else "output"] = name
    scores = decided = None
    if names["output"] is not None:
        datatype, shape, data = outputs[names["output"]]
        width = _width(names["output"], shape, data, rows)
        flat = check_numbers([int(v) if isinstance(v, bool) else v for v in data], "score")
        scores = flat if width == 1 else flat.reshape(rows, width)
    if names["decision"] is not None:
        datatype, shape, data = outputs[names["decision"]]
        if _width(names["decision"], shape, data, rows) != 1:
            raise no_answer(f"several decisions for each row in {names['decision']!r}: shape {list(shape)}")
        if not all(isinstance(v, (str, int, float, bool)) for v in data):
            raise no_answer(f"decisions in {names['decision']!r} that are no classes")
        decided = tuple(name_of(bool(v) if datatype == "BOOL" else v) for v in data)
    return Raw(scores, decided, version)


def _width(name: str, shape: tuple[int, ...], data: list[Any], rows: int) -> int:
    size = int(np.prod(shape)) if shape else 0
    if not shape or shape[0] != rows or size != len(data) or (len(shape) > 2 and size != rows):
        raise no_answer(
            f"the output {name!r} has shape {list(shape)} and {many(len(data), 'value')} for {many(rows, 'row')}"
        )
    return size // rows if rows else 1
