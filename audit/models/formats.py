"""Which class reads which format of a model; each is imported, with its library, when a file of it is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from audit.models.loaded import Loaded


def load(kind: str, content: bytes, allow: Sequence[str]) -> Loaded:
    """Build the model. Imports what the format needs and nothing else."""
    if kind == "skops":
        from audit.models.skops_model import SkopsModel

        return SkopsModel(content, allow)
    if kind == "lightgbm":
        from audit.models.lightgbm_model import LightgbmModel

        return LightgbmModel(content)
    if kind == "xgboost":
        from audit.models.xgboost_model import XgboostModel

        return XgboostModel(content)
    if kind == "group-thresholds":
        from audit.models.thresholds_model import ThresholdsModel

        return ThresholdsModel(content, allow, load)
    from audit.models.onnx_model import OnnxModel

    return OnnxModel(content)
