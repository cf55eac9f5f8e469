"""The model card as a CycloneDX ML-BOM: built in debias/mlbom.py, where `assay mitigate` writes one too."""

from debias.mlbom import ml_bom

__all__ = ["ml_bom"]
