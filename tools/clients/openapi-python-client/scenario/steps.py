"""What the steps know of each other."""

from dataclasses import dataclass
from typing import TypeVar

from eggapi_client import AuthenticatedClient
from eggapi_client.models import ErrorEnvelope, GenerateRequest
from eggapi_client.types import Response

T = TypeVar("T")


class Mismatch(Exception):
    """Says what was not as promised."""


@dataclass
class Scenario:
    customer: AuthenticatedClient
    stranger: AuthenticatedClient
    request: GenerateRequest
    idempotency_key: str
    task_id: str = ""
    image_url: str = ""


def must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Mismatch(otherwise)


def answered(response: Response[ErrorEnvelope | T]) -> T:
    """Gives the answer of a call, which must have been a success."""
    parsed = response.parsed
    if parsed is None or isinstance(parsed, ErrorEnvelope):
        raise Mismatch(f"{response.status_code} {response.content!r}")
    return parsed
