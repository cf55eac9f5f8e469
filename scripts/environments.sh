#!/usr/bin/env bash
# Environments of other versions, for the tests marked `environments`: made once, outside the checkout.
#
#   environments.sh [NAME...]   only these (default: all, 4.5 GB)
#   ASSAY_ENVIRONMENTS          where they stand (default: a folder beside the system's temporary files)
#   PYTHON                      the interpreter to make them with (3.8 to 3.12: older releases have no wheels for newer)
#
# Ends with 1 where one cannot be had: no network, or packages that were released since and do not fit together.
set -euo pipefail
place="${ASSAY_ENVIRONMENTS:-${TMPDIR:-/tmp}/assay-environments}"
python="${PYTHON:-python3}"
wanted=" $* "

make() { # make NAME "MODULES, THAT IMPORT" PACKAGE...
    local name=$1 modules=$2 folder="$place/$1" from=$SECONDS
    shift 2
    if [ "$wanted" != "  " ] && [[ "$wanted" != *" $name "* ]] || [ "$(cat "$folder/done" 2>/dev/null)" = "$*" ]; then
        return
    fi
    rm -rf "$folder"
    "$python" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile "$@"
    "$folder/bin/python" -W ignore -c "import $modules"
    echo "$*" >"$folder/done"
    echo "$name: $((SECONDS - from)) s, $(du -sm "$folder" | cut -f1) MB" >&2
}

mkdir -p "$place"
make sklearn-1.3 "sklearn, imblearn, category_encoders, lightgbm, catboost, statsmodels.api, fairlearn, skops.io, skl2onnx" \
    "scikit-learn==1.3.2" "numpy<2" "pandas<2.3" "scipy<1.12" "imbalanced-learn==0.11.0" \
    "category_encoders==2.6.3" "lightgbm==4.3.0" "catboost==1.2.7" "statsmodels==0.14.2" "fairlearn==0.10.0" \
    "skops==0.9.0" "skl2onnx==1.17.0" "onnx==1.16.2" cloudpickle joblib
make sklearn-1.6 "sklearn, skops.io" "scikit-learn==1.6.1" "numpy<2.3" "pandas<3" "skops==0.11.0" cloudpickle joblib
make great-expectations great_expectations "great_expectations==1.24.1"
# Orchestrators and feature stores, for docs/examples; an old client cannot stand beside a new one, so one each.
make airflow airflow "apache-airflow==3.3.2"
make dagster dagster "dagster==1.13.29"
make prefect prefect "prefect==3.9.1"
make feast feast "feast==0.67.0"
# Keras with JAX, the smallest of its backends.
KERAS_BACKEND=jax make keras "keras, pandas" "keras==3.*" jax "numpy<2.4" pandas
# Servers of models, each by itself: their pins (protobuf under 7, NumPy under 2, FastAPI under .116) exclude ours.
make mlserver "mlserver, mlserver_sklearn" "mlserver==1.7.1" "mlserver-sklearn==1.7.1"
make triton numpy "nvidia-pytriton==0.7.0" "numpy<2"
make mlflow "mlflow, skops.io, sklearn" "mlflow==3.*" skops scikit-learn pandas
make openlineage openlineage.client openlineage-python
# What is tried together with Assay's own packages and is not among them: gRPC, Polars; the example service, stores.
ours="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin/python"
beside() { # beside NAME PACKAGE...
    local name=$1 folder="$place/$1"
    shift
    if [ "$wanted" != "  " ] && [[ "$wanted" != *" $name "* ]] || [ "$(cat "$folder/done" 2>/dev/null)" = "$*" ]; then
        return
    fi
    rm -rf "$folder"
    "$ours" -m pip install --quiet --disable-pip-version-check --no-compile --target "$folder" "$@"
    echo "$*" >"$folder/done"
}
beside beside grpcio polars
beside service fastapi uvicorn fsspec
# pyspark needs Java 17 or 21 on the path.
beside spark --no-deps --require-hashes -r "$(cd "$(dirname "$0")/.." && pwd)/requirements/spark.txt"
# What a client of Spark Connect needs beside pyspark and grpcio.
beside connect --no-deps grpcio-status==1.85.3 googleapis-common-protos zstandard
# Tables of Delta Lake and Apache Iceberg.
beside lakes --no-deps --require-hashes -r "$(cd "$(dirname "$0")/.." && pwd)/requirements/lakes.txt"
echo "$place"
