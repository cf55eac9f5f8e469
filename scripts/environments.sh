#!/usr/bin/env bash
# Environments of other versions, for the tests marked `environments`: made once, outside the checkout.
#
#   ASSAY_ENVIRONMENTS   where they stand (default: a folder beside the system's temporary files)
#   PYTHON               the interpreter to make them with (3.8 to 3.12: older releases have no wheels for newer ones)
set -euo pipefail
place="${ASSAY_ENVIRONMENTS:-${TMPDIR:-/tmp}/assay-environments}"
python="${PYTHON:-python3}"

make() { # make NAME PACKAGE...
    local folder="$place/$1"
    shift
    if [ -e "$folder/done" ]; then return; fi
    local from=$SECONDS
    rm -rf "$folder"
    "$python" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile "$@"
    touch "$folder/done"
    echo "$(basename "$folder"): $((SECONDS - from)) s, $(du -sm "$folder" | cut -f1) MB" >&2
}

mkdir -p "$place"
make sklearn-1.3 "scikit-learn==1.3.2" "numpy<2" "pandas<2.3" "scipy<1.12" "imbalanced-learn==0.11.0" \
    "category_encoders==2.6.3" "lightgbm==4.3.0" "catboost==1.2.7" "statsmodels==0.14.2" "fairlearn==0.10.0" \
    "skops==0.9.0" "skl2onnx==1.17.0" "onnx==1.16.2" cloudpickle joblib
make sklearn-1.6 "scikit-learn==1.6.1" "numpy<2.3" "pandas<3" "skops==0.11.0" cloudpickle joblib
make great-expectations "great_expectations==1.24.1"
# Orchestrators and feature stores, for docs/examples; an old client cannot stand beside a new one, so one each.
make airflow "apache-airflow==3.3.2"
make dagster "dagster==1.13.29"
make prefect "prefect==3.9.1"
make feast "feast==0.67.0"
# Keras with JAX, the smallest of its backends.
make keras "keras==3.*" jax "numpy<2.4" pandas
# Servers of models, each by itself: their pins (protobuf under 7, NumPy under 2, FastAPI under .116) exclude ours.
make mlserver "mlserver==1.7.1" "mlserver-sklearn==1.7.1"
make triton "nvidia-pytriton==0.7.0" "numpy<2"
make mlflow "mlflow==3.*" skops scikit-learn pandas
make openlineage openlineage-python
# gRPC for Assay itself, beside its own packages and not among them.
ours="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin/python"
if [ ! -e "$place/beside/done" ]; then
    rm -rf "$place/beside"
    "$ours" -m pip install --quiet --disable-pip-version-check --no-compile --target "$place/beside" grpcio
    touch "$place/beside/done"
fi
echo "$place"
