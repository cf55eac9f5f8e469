"""A FastAPI service beside `assay watch`: decides by the model that runs, and logs what it served as the loop's feed.

    pip install fastapi uvicorn
    OUT=/loop/out FEED=/loop/in uvicorn service:app --port 8000

A pointer or a model that was edited is refused: the model before goes on, and /healthz says so.
"""

import os
from pathlib import Path
from typing import Any

from deciding import Decider, Feed
from fastapi import FastAPI

app = FastAPI()
decider = Decider(Path(os.environ["OUT"]) / "running.json")
feed = Feed(Path(os.environ["FEED"]), int(os.environ.get("SIZE", "500")))


@app.post("/decide")
async def decide(person: dict[str, Any]) -> dict[str, Any]:
    """One person. In the loop's case: served = { decision = "decision", score = "score", model = "model" }."""
    answer = decider.decide(person)
    feed.add(person | answer)
    return answer


@app.get("/healthz")
async def healthz() -> dict[str, Any]:
    """Which model decides, and why the pointer is not believed, where it is not."""
    return {"model": decider.running.id, "problem": decider.problem}
