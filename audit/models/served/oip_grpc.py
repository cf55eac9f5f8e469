"""The Open Inference Protocol (v2) over gRPC, for servers without an open REST port. Needs grpcio, and nothing else.

The few messages are written and read by hand (field numbers: grpc_predict_v2.proto of the protocol), since the
clients that exist want a protobuf older than ours. Tensors travel raw: little-endian numbers; text with its length
before it, four bytes. Missing numbers are NaN; missing text has no form, and is refused.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from audit.case import EndpointSpec
from audit.errors import DataError, ModelError
from audit.models.loaded import one_line
from audit.models.protobuf import NotProtobuf, fields
from audit.models.served.client import (
    MOST_BYTES,
    MOST_BYTES_A_ROW,
    MOST_PAUSE,
    PAUSE,
    Reply,
    Unreached,
    addresses,
    hidden,
    tls_of,
    token_of,
)
from audit.models.served.line import Line, Raw, Server, Tensor, access_of, no_answer
from audit.models.served.oip import BROKEN, INTEGERS, chosen, model_path, tensors
from audit.numbers import many
from audit.sentences import SEE_SERVER

SERVICE = "/inference.GRPCInferenceService/"
PIP = "pip install grpcio"
AGAIN = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")
DTYPES = {**INTEGERS, **BROKEN, "BOOL": "uint8"}


class OipGrpc(Line):
    """url: grpcs://host:port/v2/models/NAME, with /versions/V where one version is meant."""

    words = "Open Inference Protocol over gRPC"

    def __init__(self, spec: EndpointSpec) -> None:
        super().__init__(spec)
        path, self._model = model_path(spec)
        self._version = path.rpartition("/")[2] if "/versions/" in path else ""
        self._access = access_of(spec)
        self._token: str | None = None
        self._channel: Any = None

    def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def facts(self) -> Server:
        server = _texts(self._call("ServerMetadata", b"")[0])
        asked = _text(1, self._model) + _text(2, self._version)
        model = self._call("ModelMetadata", asked)[0]
        texts = _texts(model)
        versions = [bytes(v).decode("utf-8", "replace") for n, v in _parts(model) if n == 2 and not isinstance(v, int)]
        return Server(
            one_line(server.get(1, ""), 80),
            one_line(server.get(2, ""), 80),
            one_line(texts.get(1, self._model), 80),
            one_line(",".join(versions), 80),
            one_line(texts.get(3, ""), 80),
            tuple(_tensor(v) for n, v in _parts(model) if n == 4 and not isinstance(v, int)),
            tuple(_tensor(v) for n, v in _parts(model) if n == 5 and not isinstance(v, int)),
        )

    def question(self, frame: pd.DataFrame, server: Server) -> bytes:
        out = _text(1, self._model) + _text(2, self._version)
        if not server.inputs:
            out += _message(4, _text(1, "content_type") + _message(2, _text(3, "pd")))
        raw = b""
        for tensor, values in tensors(frame, self.spec, server):
            text = tensor.datatype == "BYTES"
            shape = b"".join(_varint(s) for s in tensor.shape)
            parameters = _message(4, _text(1, "content_type") + _message(2, _text(3, "str"))) if text else b""
            out += _message(5, _text(1, tensor.name) + _text(2, tensor.datatype) + _message(3, shape) + parameters)
            raw += _message(7, _packed(tensor, values))
        for name in (self.spec.output, self.spec.decision):
            if name is not None:
                out += _message(6, _text(1, name))
        return out + raw

    def send(self, question: bytes, rows: int) -> Reply:
        began = time.monotonic()
        body, attempts = self._call("ModelInfer", question, MOST_BYTES + MOST_BYTES_A_ROW * rows)
        return Reply(200, "application/grpc", body, time.monotonic() - began, attempts)

    def read(self, body: bytes, rows: int) -> Raw:
        texts = _texts(body)
        parts = list(_parts(body))
        raws = [bytes(v) for n, v in parts if n == 6 and not isinstance(v, int)]
        decoded = {}
        outputs = [v for n, v in parts if n == 5 and not isinstance(v, int)]
        for at, output in enumerate(outputs):
            tensor = _tensor(output)
            contents = [v for n, v in _parts(output) if n == 5 and not isinstance(v, int)]
            try:
                data = _unpacked(tensor.datatype, raws[at]) if at < len(raws) else _typed(tensor.datatype, contents)
            except (ValueError, struct.error, IndexError, KeyError, NotProtobuf) as error:
                raise no_answer(f"the output {tensor.name!r} of datatype {tensor.datatype!r} cannot be read") from error
            decoded[tensor.name] = (tensor.datatype, tensor.shape, data)
        return chosen(decoded, rows, self.spec, one_line(texts.get(2, ""), 80))

    # -- the call ----------------------------------------------------------------------------------------------------

    def _call(self, method: str, body: bytes, most: int = MOST_BYTES) -> tuple[bytes, int]:
        """The answer's bytes, and how often was asked. Raises ModelError."""
        try:
            import grpc
        except ImportError as error:
            raise ModelError(
                "the protocol oip-grpc needs grpcio, which is not installed",
                got="no module grpc",
                expected="grpcio beside Assay",
                todo=f"run `{PIP}` in Assay's environment and try again, or ask the server over REST (oip)",
            ) from error
        if self._channel is None:
            self._channel = self._open(grpc, most)
        asked = self._channel.unary_unary(SERVICE + method, request_serializer=_same, response_deserializer=_same)
        bearer = self._token if self._token is None or " " in self._token else f"Bearer {self._token}"
        sent = None if bearer is None else [(self.spec.token_header.lower(), bearer)]
        why, pause = "", PAUSE
        for attempt in range(1, self.spec.retries + 2):
            try:
                answer: bytes = asked(body, timeout=self.spec.timeout, metadata=sent)
            except grpc.RpcError as error:
                why = error.code().name
                words = hidden(error.details() or "", self._token)
                if why not in AGAIN or "larger than max" in words:
                    raise ModelError(
                        "the endpoint refused the question" if why != "INTERNAL" else "the endpoint failed",
                        got=f"{why}: {words}", expected="an answer",
                        todo="see whether `token_env` names a valid token" if why in ("UNAUTHENTICATED",
                        "PERMISSION_DENIED") else "compare `features` and their types with what the model takes",
                    ) from error  # fmt: skip
                why += f": {words}"
            else:
                return answer, attempt
            if attempt <= self.spec.retries:
                time.sleep(min(MOST_PAUSE, pause))
                pause *= 2
        raise ModelError(
            f"the endpoint at {self._access.place} did not answer",
            got=f"{why}; asked {many(self.spec.retries + 1, 'time')}",
            expected=f"an answer within {many(self.spec.timeout, 'second')}",
            todo=f"{SEE_SERVER}; what was answered before is kept",
        )

    def _open(self, grpc: Any, most: int) -> Any:
        access = self._access
        self._token = token_of(access)
        try:
            where = addresses(access)
        except Unreached as error:
            raise ModelError(
                f"the endpoint at {access.place} did not answer", got=str(error), expected="a server",
                todo="correct `url`",
            ) from error  # fmt: skip
        ip, port = where[0]
        # To the address that was looked at; under the name of the host, for its certificate.
        target = f"{'ipv6' if ':' in ip else 'ipv4'}:{f'[{ip}]' if ':' in ip else ip}:{port}"
        host = str(urlsplit(access.url).hostname)
        options = [
            ("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0), ("grpc.default_authority", host),
            ("grpc.max_receive_message_length", MOST_BYTES + MOST_BYTES_A_ROW * self.spec.batch),
            ("grpc.max_send_message_length", -1),
        ]  # fmt: skip
        if access.url.startswith("grpc:"):
            return grpc.insecure_channel(target, options=options)
        tls_of(access)  # which says what is wrong with `ca`
        roots = None if access.ca is None else access.ca.read_bytes()
        options.append(("grpc.ssl_target_name_override", host))
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(roots), options=options)


def _same(body: bytes) -> bytes:
    return body


# -- messages ----------------------------------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _message(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode()) if text else b""


def _parts(body: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    try:
        yield from fields(memoryview(body))
    except NotProtobuf as error:
        raise no_answer("bytes that are no message of the protocol") from error


def _texts(body: bytes | memoryview) -> dict[int, str]:
    out: dict[int, str] = {}
    for number, value in _parts(body):
        if not isinstance(value, int):
            out.setdefault(number, bytes(value).decode("utf-8", "replace"))
    return out


def _tensor(body: memoryview) -> Tensor:
    texts, shape = _texts(body), []
    for number, value in _parts(body):
        if number == 3:
            shape += [value] if isinstance(value, int) else list(_varints(value))
    return Tensor(one_line(texts.get(1, ""), 200), one_line(texts.get(2, ""), 20), tuple(_signed(s) for s in shape))


def _varints(data: memoryview) -> Iterator[int]:
    value, shift = 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value, shift = 0, 0


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _packed(tensor: Tensor, values: list[Any]) -> bytes:
    """A tensor's raw contents. Raises DataError for a missing value that has no form."""
    if tensor.datatype == "BYTES":
        if None in values:
            raise _no_form(tensor)
        coded = [v.encode() for v in values]
        return b"".join(struct.pack("<I", len(v)) + v for v in coded)
    if tensor.datatype in BROKEN:
        plain = [np.nan if v is None else v for v in values]
    elif None in values:
        raise _no_form(tensor)
    else:
        plain = values
    if tensor.datatype not in DTYPES:
        raise ModelError(
            "the endpoint takes a datatype that is not known", got=tensor.datatype,
            expected=", ".join((*DTYPES, "BYTES")), todo="audit a column of its scores instead",
        )  # fmt: skip
    return np.array(plain, dtype=np.dtype(DTYPES[tensor.datatype]).newbyteorder("<")).tobytes()


def _no_form(tensor: Tensor) -> DataError:
    return DataError(
        "a missing value cannot be sent to the endpoint",
        got=f"missing values in {tensor.name!r}, which goes as {tensor.datatype}",
        expected="broken numbers (FP32, FP64), which may be NaN, or no missing values",
        todo="write the value that the model was trained with in place of a missing one, or use the protocol oip",
    )


def _unpacked(datatype: str, raw: bytes) -> list[Any]:
    if datatype == "BYTES":
        texts, at = [], 0
        while at < len(raw):
            (size,) = struct.unpack_from("<I", raw, at)
            if at + 4 + size > len(raw):
                raise ValueError("cut short")
            texts.append(raw[at + 4 : at + 4 + size].decode("utf-8", "replace"))
            at += 4 + size
        return texts
    values = np.frombuffer(raw, dtype=np.dtype(DTYPES[datatype]).newbyteorder("<"))
    return [bool(v) for v in values] if datatype == "BOOL" else values.tolist()


_CONTENTS = {"BOOL": 1, "INT8": 2, "INT16": 2, "INT32": 2, "INT64": 3, "UINT8": 4, "UINT16": 4, "UINT32": 4,
             "UINT64": 5, "FP32": 6, "FP64": 7, "BYTES": 8}  # fmt: skip


def _typed(datatype: str, contents: list[memoryview]) -> list[Any]:
    """Contents that are not raw: InferTensorContents, a field for each kind."""
    wanted = _CONTENTS[datatype]
    out: list[Any] = []
    for body in contents:
        for number, value in _parts(body):
            if number != wanted:
                continue
            if datatype == "BYTES":
                out.append(bytes(value).decode("utf-8", "replace") if not isinstance(value, int) else "")
            elif datatype in ("FP32", "FP64"):
                out += np.frombuffer(value, dtype="<f4" if datatype == "FP32" else "<f8").tolist()  # type: ignore[arg-type]
            else:
                values = [value] if isinstance(value, int) else list(_varints(value))
                out += [bool(v) if datatype == "BOOL" else _signed(v) for v in values]
    return out
