"""The worker that runs in a model's process: loads one model, and answers what is asked of it.

Started by `audit.models.worker` through audit/sandbox/launch.py, which has isolated the process by then.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING, Any

from audit.sandbox.serve import Answer, answer_frames

if TYPE_CHECKING:
    from audit.explain.native_walks import Shortener
    from audit.models.hybrids import Blocks
    from audit.models.loaded import Loaded
    from audit.models.wire import Frame


_base: tuple[str, Shortener, Blocks] | None = None
"""What rows are built from: the last that was sent for it, by its digest; and what of it no tree tells apart."""


def serve(incoming: int, outgoing: int, settings: dict[str, Any]) -> int:
    """Serve until the parent closes its end."""
    # Nothing is drawn in here, and matplotlib will not be imported without a folder to write in; what could use it
    # (shap) then goes without.
    sys.modules["matplotlib"] = None  # type: ignore[assignment]
    model: Loaded | None = None

    def handle(frame: Frame) -> Answer:
        nonlocal model
        if frame.fields["do"] == "load":
            gc.set_threshold(1_000_000, 20, 20)  # what is imported and loaded stays
            model, fields = _load(frame, settings["held"])
            gc.freeze()
            gc.set_threshold(50_000, 20, 20)
            return fields, {}
        assert model is not None
        return {}, _run(model, frame)

    return answer_frames(incoming, outgoing, int(settings["memory_bytes"]), handle)


def _load(frame: Frame, held: tuple[str, ...]) -> tuple[Loaded, dict[str, Any]]:
    from audit.models.late import until_asked

    of = frame.fields["format"]
    with until_asked():
        from audit.models.formats import FORMATS, load

        content = frame.arrays["model"].tobytes()
        if FORMATS[of].types:
            from audit.models.skops_model import import_skops

            import_skops()
    model = load(of, content, frame.fields["allow"])
    facts = model.facts
    return model, {
        "isolation": list(held),
        "estimator": facts.estimator,
        "classes": list(facts.classes),
        "features": None if facts.features is None else list(facts.features),
        "columns": facts.columns,
        "task": facts.task,
        "output": facts.output,
        "notes": list(facts.notes),
        "named": facts.named,
        "decides": facts.decides,
    }


def _run(model: Loaded, frame: Frame) -> dict[str, Any]:
    import numpy as np

    from audit.models.table import receive

    table = receive(frame.table, frame.fields.get("objects", {})) if len(frame.table) else None
    place, only_scores = None, frame.fields["do"] == "scores"
    # A model's warnings are its own affair; they must not become errors or noise here.
    with contextlib.ExitStack() as stack:
        import warnings

        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if (digest := frame.fields.get("hybrids")) is not None:
            from audit.models.hybrids import of_arrays

            shortener, blocks = _based(model, digest, table, frame)
            if only_scores and (scores := shortener.scores(frame.arrays)) is not None:
                return {"scores": scores}
            place = shortener.shorten(frame.arrays)  # where rows are fewer than were said, of each one's answer
            table = of_arrays(blocks, frame.arrays)
        if only_scores:
            assert table is not None
            arrays = {"scores": np.asarray(model.scores(table, frame.fields["positive"]), dtype=np.float64)}
        else:
            from audit.models.ops import find

            arrays = {str(k): np.asarray(v) for k, v in find(frame.fields["op"])(model, table, frame.arrays).items()}
    return arrays if place is None else {name: answers[place] for name, answers in arrays.items()}


def _based(model: Loaded, digest: str, sent: Any, frame: Frame) -> tuple[Shortener, Blocks]:
    """What rows are built from, and what is known of them."""
    from audit.explain.native_walks import Shortener
    from audit.models.hybrids import blocks_of

    global _base
    if sent is not None:
        positive = frame.fields.get("positive") or str(frame.arrays.get("positive"))
        _base = digest, Shortener(model, sent, positive), blocks_of(sent)
    if _base is None or _base[0] != digest:
        raise RuntimeError("the rows that these are built from were not sent")
    return _base[1:]
