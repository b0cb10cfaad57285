"""Takes the ten steps in order. A step that is not as promised ends the program with 1."""

import os
import sys
import uuid
from collections.abc import Callable

import httpx
from eggapi_client import AuthenticatedClient
from eggapi_client.models import GenerateRequest

from . import images, refusals
from .steps import Mismatch, Scenario

STEPS: list[tuple[str, Callable[[Scenario], None]]] = [
    ("models", images.models),
    ("generate", images.generate),
    ("replay", images.replay),
    ("completed", images.completed),
    ("download", images.download),
    ("usage", images.usage),
    ("unauthorized", refusals.unauthorized),
    ("not-found", refusals.not_found),
    ("validation", refusals.validation),
    ("rate-limited", refusals.rate_limited),
]


def client(key: str) -> AuthenticatedClient:
    return AuthenticatedClient(
        base_url=os.environ["EGGAPI_URL"], token=key, timeout=httpx.Timeout(30.0), raise_on_unexpected_status=True
    )


def main() -> int:
    with client(os.environ["EGGAPI_KEY"]) as customer, client("egg_test_wrong") as stranger:
        scenario = Scenario(
            customer=customer,
            stranger=stranger,
            request=GenerateRequest(model="nanobanana", prompt="A lighthouse made of eggshell, in Python"),
            idempotency_key=f"openapi-python-client-{uuid.uuid4()}",
        )
        for name, take in STEPS:
            try:
                take(scenario)
            except Mismatch as problem:
                print(f"{name}: {problem}")
                return 1
            print(f"ok {name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
