"""The steps on which an image is made."""

import time

import httpx
from eggapi_client.api.generation import generate as generate_api
from eggapi_client.api.models import list_models
from eggapi_client.api.tasks import get_task
from eggapi_client.api.usage import summarize_usage
from eggapi_client.models import Task
from eggapi_client.types import Unset

from .steps import Mismatch, Scenario, answered, must

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.25
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def models(s: Scenario) -> None:
    catalogue = answered(list_models.sync_detailed(client=s.customer))
    found = [model for model in catalogue.data if model.id == s.request.model]
    must(len(found) == 1, f"{s.request.model} is not among the models")
    must(found[0].limits.max_outputs >= 1 and len(found[0].prices) > 0, "a model without limits and prices")


def submit(s: Scenario) -> tuple[Task, str | None]:
    """Gives the task and the header Idempotent-Replayed."""
    response = generate_api.sync_detailed(client=s.customer, body=s.request, idempotency_key=s.idempotency_key)
    return answered(response).data, response.headers.get("Idempotent-Replayed")


def generate(s: Scenario) -> None:
    task, replayed = submit(s)
    must(task.id != "" and task.model == s.request.model and replayed is None, f"not a new task: {task}")
    s.task_id = task.id


def replay(s: Scenario) -> None:
    task, replayed = submit(s)
    must(replayed == "true", "the header Idempotent-Replayed is not true")
    must(task.id == s.task_id, f"task {task.id} instead of {s.task_id}")


def completed(s: Scenario) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        response = get_task.sync_detailed(s.task_id, client=s.customer)
        if response.status_code == 429:
            time.sleep(float(response.headers["Retry-After"]))
            continue
        task = answered(response).data
        if isinstance(task.completed_at, Unset):
            time.sleep(PAUSE_SECONDS)
            continue
        if task.status != "completed" or isinstance(task.output, Unset):
            raise Mismatch(f"not completed: {task}")
        must(len(task.output.urls) == 1 and task.completed_at >= task.created_at, f"not one image: {task}")
        s.image_url = task.output.url
        return
    raise Mismatch(f"task {s.task_id} has not ended after {PATIENCE_SECONDS} seconds")


def download(s: Scenario) -> None:
    response = httpx.get(s.image_url)
    must(response.is_success and response.content.startswith(PNG_MAGIC), f"{s.image_url} is not a PNG")


def usage(s: Scenario) -> None:
    rows = answered(summarize_usage.sync_detailed(client=s.customer, model=s.request.model)).data
    found = [row for row in rows if row.model == s.request.model]
    must(len(found) == 1 and found[0].request_count >= 1 and found[0].total_units >= 1, f"no usage in {rows}")
