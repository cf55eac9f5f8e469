"""Loads every package that Assay uses, once, at set-up: proves that they load and leaves them compiled on disk. Assay's
own modules too: what only an isolated process imports would be compiled at each start, since nothing is written there.
"""

import compileall
import importlib
from pathlib import Path

PACKAGES = """
    streamlit.web.cli streamlit.web.bootstrap streamlit.elements.plotly_chart streamlit.testing.v1
    pandas pyarrow.parquet pyarrow.feather duckdb plotly.graph_objects
    sklearn.ensemble sklearn.linear_model sklearn.pipeline sklearn.compose sklearn.metrics skops.io lightgbm
    shap lime.lime_tabular fairlearn.metrics fairlearn.reductions optuna scipy.stats sqlalchemy
    matplotlib.figure matplotlib.backends.backend_svg weasyprint jinja2
    pyhanko.sign.signers pyhanko.sign.validation pikepdf cryptography.x509 rfc8785 cyclonedx.model
""".split()

if __name__ == "__main__":
    for name in PACKAGES:
        importlib.import_module(name)
    for folder in ("assay", "audit", "debias", "reports"):
        compileall.compile_dir(Path(__file__).resolve().parents[1] / folder, quiet=1)
