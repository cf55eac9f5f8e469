"""Models of other versions and libraries, each in an environment that scripts/environments.sh makes: `make
test-environments`. The decisions that are counted are those that the environment's own `predict` gave."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from tests.audit.models.test_models_decide import CASE, counted
from tests.audit.models.zoo.people import people

pytestmark = pytest.mark.environments
PLACE = Path(os.environ.get("ASSAY_ENVIRONMENTS", Path(tempfile.gettempdir()) / "assay-environments"))
OLD, NEWER, KERAS = "sklearn-1.3", "sklearn-1.6", "keras"

HEAD = """
import sys, warnings
warnings.simplefilter("ignore")
import pickle
try:
    import joblib, cloudpickle
except ImportError:
    pass  # Keras brings neither
import numpy as np, pandas as pd
f = pd.read_csv("people.csv")
N = ["age", "pay", "debt"]
M = ["age", "pay", "job"]
try:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
except ImportError:
    pass
"""
TAIL = """
json_decided = [int(str(v) == "1") for v in np.asarray(decided).reshape(-1).tolist()]
import json
json.dump(json_decided, open("decided.json", "w"))
"""
# name: (environment, code that writes the file and sets `decided`, file, load, features)
MODELS: dict[str, tuple[str, str, str, str, list[str]]] = {
    "logistic, joblib": (OLD, """
m = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")).fit(f[N], f.bits)
joblib.dump(m, "m.pkl"); decided = m.predict(f[N])
""", "m.pkl", "joblib", ["age", "pay", "debt"]),
    "forest, pickle, 1.6": (NEWER, """
from sklearn.ensemble import RandomForestClassifier
m = RandomForestClassifier(10, random_state=0).fit(f[N], f.bits)
pickle.dump(m, open("m.pkl", "wb")); decided = m.predict(f[N])
""", "m.pkl", "pickle", ["age", "pay", "debt"]),
    "imbalanced-learn": (OLD, """
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as chain
m = chain(RandomOverSampler(random_state=0), StandardScaler(), LogisticRegression()).fit(f[N], f.bits)
joblib.dump(m, "m.pkl"); decided = m.predict(f[N])
""", "m.pkl", "joblib", ["age", "pay", "debt"]),
    "category encoders": (OLD, """
import category_encoders as ce
m = make_pipeline(ce.TargetEncoder(cols=["job"]), LogisticRegression(max_iter=500)).fit(f[M], f.bits)
joblib.dump(m, "m.pkl"); decided = m.predict(f[M])
""", "m.pkl", "joblib", ["age", "pay", "job"]),
    "CatBoost with categories": (OLD, """
from catboost import CatBoostClassifier
m = CatBoostClassifier(iterations=5, depth=3, verbose=0, thread_count=1, allow_writing_files=False)
m.fit(f[M], f.bits, cat_features=["job"])
m.save_model("m.cbm"); decided = m.predict(f[M])
""", "m.cbm", "catboost", ["age", "pay", "job"]),
    "LightGBM, pickle": (OLD, """
from lightgbm import LGBMClassifier
m = LGBMClassifier(n_estimators=4, min_child_samples=5, n_jobs=1, verbose=-1, is_unbalance=True).fit(f[N], f.bits)
pickle.dump(m, open("m.pkl", "wb")); decided = m.predict(f[N])
""", "m.pkl", "pickle", ["age", "pay", "debt"]),
    "statsmodels, a formula": (OLD, """
import statsmodels.formula.api as smf
m = smf.logit("bits ~ pay + debt + C(job)", f).fit(disp=0)
m.save("m.pkl"); decided = (m.predict(f) > .5).astype(int)
""", "m.pkl", "statsmodels", ["pay", "debt", "job"]),
    "fairlearn 0.10, thresholds by group": (OLD, """
from fairlearn.postprocessing import ThresholdOptimizer
inner = make_pipeline(StandardScaler(), LogisticRegression()).fit(f[N], f.bits)
m = ThresholdOptimizer(estimator=inner, prefit=True, predict_method="predict_proba")
m.fit(f[N], f.bits, sensitive_features=f.sex)
pickle.dump(m, open("m.pkl", "wb")); decided = m.predict(f[N], sensitive_features=f.sex, random_state=0)
""", "m.pkl", "pickle", ["age", "pay", "debt"]),
    "fairlearn 0.10, reduction": (OLD, """
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
m = ExponentiatedGradient(LogisticRegression(max_iter=500), DemographicParity(), max_iter=4)
m.fit(f[N], f.bits, sensitive_features=f.sex)
pickle.dump(m, open("m.pkl", "wb")); decided = m.predict(f[N], random_state=0)
""", "m.pkl", "pickle", ["age", "pay", "debt"]),
    "a lambda, cloudpickle": (OLD, """
from sklearn.preprocessing import FunctionTransformer
m = make_pipeline(FunctionTransformer(lambda x: x - 1), StandardScaler(), LogisticRegression()).fit(f[N], f.bits)
cloudpickle.dump(m, open("m.pkl", "wb")); decided = m.predict(f[N])
""", "m.pkl", "cloudpickle", ["age", "pay", "debt"]),
    "Keras on JAX": (KERAS, """
import os
os.environ["KERAS_BACKEND"] = "jax"
import keras
keras.utils.set_random_seed(0)
x = f[N].to_numpy("float32")
m = keras.Sequential([keras.Input((3,)), keras.layers.Normalization(mean=x.mean(0), variance=x.var(0)),
                      keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1, activation="sigmoid")])
m.compile("adam", "binary_crossentropy"); m.fit(x, f.bits, epochs=30, verbose=0)
m.save("m.keras"); decided = (m.predict(x, verbose=0)[:, 0] >= .5).astype(int)
""", "m.keras", "keras", ["age", "pay", "debt"]),
    "skops of scikit-learn 1.3": (OLD, """
import skops.io
from sklearn.ensemble import GradientBoostingClassifier
m = GradientBoostingClassifier(n_estimators=4, random_state=0).fit(f[N], f.bits)
skops.io.dump(m, "m.skops"); decided = m.predict(f[N])
""", "m.skops", "skops", ["age", "pay", "debt"]),
}  # fmt: skip


@pytest.fixture
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str, str, list[str], np.ndarray]:
    """The folder with case.toml, rows and model; the interpreter, the loader, the features, what was decided there."""
    environment, code, file, load, features = MODELS[request.param]
    python = PLACE / environment / "bin" / "python"
    assert python.exists(), "run scripts/environments.sh"
    people().to_csv(tmp_path / "people.csv", index=False)
    subprocess.run([str(python), "-c", HEAD + code + TAIL], cwd=tmp_path, check=True, timeout=1200)
    text = CASE.format(label="bits", positive='"1"', features=json.dumps(features), path=file)
    (tmp_path / "case.toml").write_text(text)
    decided = np.array(json.loads((tmp_path / "decided.json").read_text())) == 1
    return tmp_path, str(python), load, features, decided


def audited(folder: Path, *lines: str) -> int:
    with (folder / "case.toml").open("a") as stream:
        stream.write("\n".join(lines) + "\n")
    return cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "out")])


@pytest.mark.parametrize("made", list(MODELS), indirect=True)
def test_counted_is_what_the_environment_decided(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder, python, load, _, decided = made
    if load != "skops":
        # Refused at first, with the loader to name; a skops file of an old version may still work here.
        assert audited(folder) == 2
        assert f'`load = "{load}"`' in capsys.readouterr().err
    assert audited(folder, f'python = "{python}"', f'load = "{load}"') == 2
    line = re.search(r'`(consent = "sha256:[0-9a-f]{64}")`', capsys.readouterr().err)
    assert line is not None
    assert audited(folder, line.group(1)) == 0
    evidence = json.loads((folder / "out" / "evidence.json").read_bytes())
    truth = people()["bits"].to_numpy() == 1
    want = [(truth & decided).sum(), (~truth & decided).sum(), (truth & ~decided).sum(), (~truth & ~decided).sum()]
    assert counted(evidence) == [int(n) for n in want]
    notes = evidence["model"]["notes"][0]
    assert "own environment (python 3." in notes
    assert line.group(1).split('"')[1] in notes
    assert {"no-network: namespace+seccomp", "no-processes: seccomp"} <= set(evidence["model"]["isolation"])


@pytest.mark.parametrize("made", ["logistic, joblib", "LightGBM, pickle"], indirect=True)
def test_a_copy_is_fitted_again_in_its_environment(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Reweighing: the environment's own estimator, cloned; its file is asked there again."""
    folder, python, load, _, _ = made
    assert audited(folder, f'python = "{python}"', f'load = "{load}"') == 2
    line = re.search(r'`(consent = "sha256:[0-9a-f]{64}")`', capsys.readouterr().err)
    assert line is not None
    assert audited(folder, line.group(1)) == 0
    out = folder / "mitigated"
    assert cli.main(["mitigate", str(folder / "case.toml"), "--method", "reweighing", "--out", str(out)]) == 0
    document = json.loads((out / "mitigation.json").read_bytes())
    assert document["model"]["format"] == load
    assert (out / document["model"]["file"]).stat().st_size > 100
    assert "fresh copy" in json.dumps(document)


@pytest.mark.parametrize("made", ["logistic, joblib"], indirect=True)
@pytest.mark.parametrize("out", ["new.skops", "new.onnx"])
def test_converted_by_its_environment(made: Any, out: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder, python, load, features, decided = made
    args = ["convert", str(folder / "m.pkl"), "--python", python, "--load", load, "--out", str(folder / out)]
    args += ["--data", str(folder / "people.csv")]
    assert cli.main(args) == 2
    assert cli.main([*args, *capsys.readouterr().err.split("`")[1].split()]) == 0
    text = CASE.format(label="bits", positive='"1"', features=json.dumps(features), path=out)
    (folder / "case.toml").write_text(text)
    assert audited(folder) == 0
    evidence = json.loads((folder / "out" / "evidence.json").read_bytes())
    assert sum(counted(evidence)[:2]) == int(decided.sum())
