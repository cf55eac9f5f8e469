"""Which worker runs which file of tests: two cores have work all the time, and end at the same time.

A journey waits for its browser, other files for a clock or for processes that they start. With three workers or more
the last one runs those files alone, beside the others that compute; it ends with them, since it would load every
library a third time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

WAITING = (
    "tests/journeys/test_journey.py", "tests/journeys/test_every_eye.py", "tests/journeys/test_demo_command.py",
    "tests/reports/test_standard_streams.py", "tests/audit/models/test_models_decide.py",
    "tests/debias/loop/test_postgres.py", "tests/screens/test_keys_screen.py", "tests/screens/test_login.py",
    "tests/debias/loop/test_stdin.py", "tests/test_progress.py", "tests/audit/served/test_bad_answers.py",
    "tests/debias/loop/test_circle.py", "tests/screens/test_serve.py", "tests/debias/loop/test_kill.py",
    "tests/audit/models/test_sandbox_deeds.py", "tests/audit/models/test_model_worker.py",
    "tests/reports/test_hostile.py", "tests/audit/models/test_late.py", "tests/debias/loop/test_rows_aside.py",
    "tests/reports/test_doors.py", "tests/audit/models/test_one_worker.py", "tests/debias/loop/test_seen.py",
    "tests/test_stopped.py",
)  # fmt: skip
"""Files whose worker waits for something else most of the time: a browser, a clock, a process that it started."""
LONG = (
    "tests/reports/test_pages_signed.py", "tests/reports/test_pages.py", "tests/audit/test_wide.py",
    "tests/reports/test_nobody_left.py", "tests/audit/scale/test_lines.py", "tests/reports/test_ledger.py",
    "tests/reports/test_rerun_picked.py", "tests/audit/scale/test_scale.py", "tests/reports/test_arms.py",
    "tests/reports/test_rerun.py", "tests/debias/loop/test_run.py", "tests/audit/scale/test_careless_csv.py",
    "tests/debias/test_mitigate.py", "tests/debias/test_search.py", "tests/debias/loop/test_replay_runs.py",
    "tests/debias/test_export.py", "tests/reports/test_pages_command.py", "tests/reports/test_standards.py",
    "tests/reports/test_pages_looks.py", "tests/debias/whatif/test_whatif.py", "tests/debias/test_pareto.py",
    "tests/reports/test_told.py", "tests/reports/test_belongs.py", "tests/reports/test_attacks.py",
    "tests/audit/answers/test_answers.py", "tests/reports/test_pages_beside.py", "tests/reports/test_search_section.py",
    "tests/audit/watch/test_drift.py", "tests/reports/test_offline.py", "tests/test_cli.py",
    "tests/audit/test_same_evidence.py", "tests/reports/test_no_quotes.py", "tests/reports/test_register.py",
    "tests/test_samples.py", "tests/debias/test_methods_table.py", "tests/audit/scale/test_beside.py",
    "tests/reports/test_refusals_more.py", "tests/reports/test_layout.py", "tests/audit/scale/test_opened.py",
    "tests/audit/test_clusters.py", "tests/audit/explain/test_run_explain.py",
    "tests/audit/models/test_model_bounds.py", "tests/audit/test_likewise.py", "tests/audit/scale/test_frames.py",
    "tests/audit/models/test_convert.py", "tests/debias/loop/test_safe.py", "tests/debias/test_same_work.py",
    "tests/reports/test_asked_for.py", "tests/test_house.py", "tests/audit/test_same_numbers.py",
    "tests/debias/test_jobs.py", "tests/audit/regression/test_regression.py", "tests/test_house_counts.py",
    "tests/debias/test_mitigate_bad_input.py", "tests/reports/test_signed_bytes.py", "tests/reports/test_lda.py",
    "tests/assay/test_notebooks.py", "tests/assay/test_wheel.py", "tests/audit/scale/test_names.py",
    "tests/debias/test_held.py", "tests/audit/scale/test_people.py", "tests/audit/stats/test_simulated_coverage.py",
    "tests/reports/test_refusals_beside.py", "tests/audit/models/test_skops_write.py", "tests/audit/test_by_proxy.py",
    "tests/audit/classes/test_classes.py", "tests/reports/test_seal.py",
)  # fmt: skip
"""Files that take longest, longest first, so that no worker is left with one at the end."""


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole files, those of WAITING and LONG first; within a file the order stays."""
    place = {name: number for number, name in enumerate((*WAITING, *LONG))}
    items.sort(key=lambda item: (place.get(_file(item.nodeid), len(place)), _file(item.nodeid)))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Every second worker reads the files from the end: what pytest compiles of a file, the other one finds made."""
    report: pytest.CollectReport = yield
    if isinstance(collector, pytest.Directory) and os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:] == "1":
        report.result.reverse()
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files as `--dist loadfile` gives them, but those that wait to the last worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        waiter: Any = None

        def schedule(self) -> None:
            if self.collection is None and len(self.nodes) > 2:
                self.waiter = self.nodes[-1]
            super().schedule()

        def _next(self, node: Any) -> str | None:
            """The first file that is this worker's; the others come to those that wait when nothing else is left."""
            wait = [name for name in self.workqueue if name in WAITING]
            rest = [name for name in self.workqueue if name not in WAITING]
            order = wait if node is self.waiter else rest + wait if self.waiter else list(self.workqueue)
            return order[0] if order else None

        def _assign_work_unit(self, node: Any) -> None:
            name = self._next(node)
            if name is None:
                node.shutdown()
                return
            self.workqueue.move_to_end(name, last=False)
            super()._assign_work_unit(node)

        def _reschedule(self, node: Any) -> None:
            if self._next(node) is None and not node.shutting_down:
                node.shutdown()
            else:
                super()._reschedule(node)

    return Scheduling(config, log)
