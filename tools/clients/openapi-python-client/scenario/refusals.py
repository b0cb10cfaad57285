"""The steps on which the API refuses."""

from eggapi_client.api.generation import generate
from eggapi_client.api.tasks import get_task
from eggapi_client.api.usage import summarize_usage
from eggapi_client.models import ErrorBody, ErrorEnvelope, GenerateRequest
from eggapi_client.types import Response, Unset

from .steps import Mismatch, Scenario, T, must

MOST_TRIES = 2000


def refusal(response: Response[ErrorEnvelope | T], status: int, code: str) -> ErrorBody:
    """Gives the typed body of a refusal, which must have this status and code."""
    parsed = response.parsed
    if response.status_code != status or not isinstance(parsed, ErrorEnvelope):
        raise Mismatch(f"{response.status_code} instead of {status}: {response.content!r}")
    error = parsed.error
    must(error.code == code, f"code {error.code} instead of {code}")
    must(len(error.request_id) > 0 and len(error.message) > 0, "a refusal without request_id or message")
    return error


def unauthorized(s: Scenario) -> None:
    refusal(get_task.sync_detailed(s.task_id, client=s.stranger), 401, "UNAUTHORIZED")


def not_found(s: Scenario) -> None:
    refusal(get_task.sync_detailed("gen_00000000000000000000000000", client=s.customer), 404, "NOT_FOUND")


def validation(s: Scenario) -> None:
    body = GenerateRequest(model=s.request.model, prompt="")
    fields = refusal(generate.sync_detailed(client=s.customer, body=body), 400, "VALIDATION_ERROR").fields
    if isinstance(fields, Unset) or not fields:
        raise Mismatch("no field is named")
    field = fields[0]
    must(field.in_ == "body" and field.name == "prompt" and field.rule != "", f"another field: {field}")


def rate_limited(s: Scenario) -> None:
    for _ in range(MOST_TRIES):
        response = summarize_usage.sync_detailed(client=s.customer)
        if response.status_code == 200:
            continue
        refusal(response, 429, "RATE_LIMITED")
        seconds = response.headers.get("Retry-After", "")
        must(seconds.isdecimal() and int(seconds) >= 1, "the header Retry-After is not a number of seconds")
        return
    raise Mismatch(f"no limit met in {MOST_TRIES} requests")
