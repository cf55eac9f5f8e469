"""A function of this project in an isolated process: for what comes from outside and is to be read all the same.

    with Enclosed("reports.verify.inside:judge", PRINTING) as enclosed:
        told, arrays = enclosed.call({"name": "report.pdf"}, pdf=np.frombuffer(content, np.uint8))
        print(enclosed.isolation)

The function runs in the child as function(fields, arrays) -> (fields, arrays): JSON, and arrays of numbers or text
(bytes travel as uint8). What it raises of audit.errors is raised here again; anything else, a crash, a loop or too
much memory is one message of the given class.
"""

from __future__ import annotations

import mimetypes
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from audit.errors import AssayError
from audit.models import wire
from audit.models.process import Child, Limits


@dataclass(frozen=True, slots=True)
class Profile:
    """What a kind of work needs beside the interpreter and its libraries; the parameters are those of `Child`."""

    packages: tuple[str, ...] = ("audit",)
    readable: tuple[str, ...] = ()
    scratch: bool = False
    environment: tuple[str, ...] = ()
    """Names of variables that are passed on where they are set."""


COMPUTING = Profile()
PRINTING = Profile(
    packages=("audit", "debias", "reports"),
    # Fonts, and what fontconfig knows of them; a person's own as well, so that pages are set as outside.
    readable=(
        *(
            os.path.expanduser(place)
            for place in (
                "/etc/fonts /usr/share/fonts /usr/local/share/fonts /usr/share/fontconfig /usr/share/xml/fontconfig "
                "/var/cache/fontconfig /usr/share/mime ~/.fonts ~/.local/share/fonts ~/.config/fontconfig"
            ).split()
        ),
        *map(str, mimetypes.knownfiles),
    ),
    scratch=True,
    environment=("HOME", "FONTCONFIG_FILE", "FONTCONFIG_PATH", "XDG_DATA_HOME", "XDG_CONFIG_HOME"),
)


class Enclosed:
    """A context manager around one child that runs one function as often as it is asked.

    function : "module:name" in one of the profile's packages.
    readable, code : further folders and files that the child may read; folders that it may also import from.
    variables : of the child's environment.
    what, error : whose process it is, in messages, and the class of them.
    """

    def __init__(
        self,
        function: str,
        profile: Profile = COMPUTING,
        *,
        readable: tuple[str, ...] = (),
        code: tuple[str, ...] = (),
        variables: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        what: str = "the file",
        error: type[AssayError] = AssayError,
    ) -> None:
        self.isolation: tuple[str, ...] = ()
        self._limits = limits or Limits()
        self._arguments: dict[str, Any] = {
            "serve": "audit.sandbox.serve:call",
            "packages": profile.packages,
            "code": code,
            "readable": [*profile.readable, *readable],
            "scratch": profile.scratch,
            "environment": {name: os.environ[name] for name in profile.environment if name in os.environ}
            | dict(variables or {}),
            "settings": {"function": function},
            "what": what,
            "error": error,
        }
        self._child: Child | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Enclosed:
        self._child = Child(self._limits, **self._arguments)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.stop()
            with self._lock:
                child.close()

    def call(
        self, fields: Mapping[str, Any], *, seconds: float | None = None, **arrays: Any
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Run the function once. `seconds`: the limit of time, limits.wall_seconds where it is not given."""
        with self._lock:
            assert self._child is not None
            blocks = wire.pack(fields, {name: np.asarray(value) for name, value in arrays.items()})
            reply = self._child.ask(blocks, self._limits.wall_seconds if seconds is None else seconds)
            self.isolation = tuple(str(word) for word in reply.fields["isolation"])
            return reply.fields["answer"], reply.arrays
