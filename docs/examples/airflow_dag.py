"""Airflow 3: a nightly audit. Put it into the DAG folder; exit 3 (a norm is broken) fails the task, and so does 2."""

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG("assay_audit", schedule="@daily", catchup=False, params={"case": "audits/case.toml", "out": "out"}) as dag:
    BashOperator(
        task_id="audit",
        bash_command='assay audit "$CASE" --out "$OUT" --gate --markdown "$OUT/summary.md"',
        env={"CASE": "{{ params.case }}", "OUT": "{{ params.out }}"},  # values, never parts of the command
        append_env=True,
        retries=0,  # a broken norm is no hiccup
    )
