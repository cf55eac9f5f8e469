"""Feast: the features as they were known when each decision was made, audited. python feast_audit.py REPO decisions.parquet out"""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from feast import FeatureStore

repo, decisions, out = sys.argv[1:4]
people = pd.read_parquet(decisions)  # the entity, event_timestamp, the decision, the sensitive columns
store = FeatureStore(repo_path=repo)
features = [f"{v.name}:{f.name}" for v in store.list_feature_views() for f in v.features]
table = store.get_historical_features(entity_df=people, features=features).to_arrow()
Path(out).mkdir(exist_ok=True)
pq.write_table(table, f"{out}/people.parquet")
command = ["assay", "audit", f"{out}/people.parquet", "--out", out, "--decision", "granted", "--sensitive", "sex"]
sys.exit(subprocess.run([*command, "--positive", "1", "--favourable", "1", "--gate"]).returncode)
