"""What schemathesis must be told to walk this API: named by SCHEMATHESIS_HOOKS of cmd/eggapi/fuzz_system_test.go.

Requests leave as generated, but for these things. What ends sessions has a user of its own, so that the others keep
theirs. Addresses that the server would call lead to the sink of the test, not to strangers. Most tasks with the
Idempotency-Key of the contract's example, and some users with its address, get their own, or all would be refused as
the first one's. Besides, an account that nears its limit of keys has old ones revoked, so that creating goes on working.
"""

import atexit
import json
import os
import threading
import uuid
import zlib
from urllib.parse import urlsplit, urlunsplit

import requests
import schemathesis
from schemathesis.core.media_types import YAML_MEDIA_TYPES

import decided

SERVER = os.environ["FUZZ_SERVER"]  # without the proxy that records: what is done here is nobody's exchange
SINK = os.environ["FUZZ_SINK"]  # as in 127.0.0.1:4711
ACCOUNT = json.loads(os.environ.get("FUZZ_ACCOUNT", "null"))  # email, password and cookie of a session caller
EXAMPLE_KEYS = {"order-4711", "5d0c1fd0-3a6f-4b52-9f0e-0b8f6a2d7c11"}
KEYS_KEPT = 80  # of the 100 that an account may have

lock = threading.Lock()
# What ends sessions.
ENDING = {"signOut", "revokeSession", "revokeSessions", "revokeOtherSessions", "changePassword", "deleteUser"}
spare_cookie = None  # of a user whose sessions may end
own_keys = []  # ids of keys this run has created, oldest first


def operation_id(context):
    return context.operation.definition.raw.get("operationId")


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = operation_id(context)
    if operation in ENDING and ACCOUNT and "Cookie" in case.headers:
        case.headers["Cookie"] = session_to_end()
    if not is_valid(case):
        return
    if operation == "generate":
        case.body = lead_to_sink(case.body)
    if operation in ("generate", "rotateAPIKey"):
        if case.headers.get("Idempotency-Key") in EXAMPLE_KEYS and not one_in_four(case.body):
            case.headers["Idempotency-Key"] = f"order-{uuid.uuid4()}"
    if operation == "signUpEmail" and one_in_four(case.body):
        case.body = {**case.body, "email": f"ada-{uuid.uuid4()}@example.com"}


@schemathesis.hook
def after_call(context, case, response):
    global spare_cookie
    operation = operation_id(context)
    if operation in ENDING and response.status_code == 200:
        with lock:
            spare_cookie = None
    if operation == "createAPIKey" and response.status_code == 201:
        keep_room(response.json()["data"]["id"])


@schemathesis.hook
def filter_failure(context, failure, case, response):
    return not decided.explains(failure, case, response)


@schemathesis.check
def declared_error_code(ctx, response, case):
    """The code of a refusal is one that this operation declares with this status."""
    declared = case.operation.responses.find_by_status_code(response.status_code)
    codes = declared.definition.get("x-error-codes") if declared is not None else None
    if codes is None or "json" not in response.headers.get("content-type", [""])[0]:
        return
    code = decided.error_code(response)
    if code not in codes:
        raise AssertionError(f"{response.status_code} came with {code}, declared are {', '.join(codes)}")


@schemathesis.deserializer(*YAML_MEDIA_TYPES)
def yaml_is_text(ctx, response):
    """The contract promises YAML as a string; read as YAML it would be held against `type: string` as an object."""
    return response.text


def is_valid(case):
    return case.meta is None or case.meta.generation.mode.is_positive


def one_in_four(body):
    """Chance that depends on nothing else: hypothesis gives up on what answers differently the second time."""
    return zlib.crc32(json.dumps(body, sort_keys=True).encode()) % 4 == 0


def session_to_end():
    """The session of somebody new, after each time that one was ended."""
    global spare_cookie
    with lock:
        if spare_cookie is None:
            answer = requests.post(
                SERVER + "/api/auth/sign-up/email",
                json={"name": "Spare", "email": f"spare-{uuid.uuid4()}@example.com", "password": "correct horse 1"},
                headers={"Origin": SERVER},
                timeout=30,
            )
            answer.raise_for_status()
            spare_cookie = answer.headers["Set-Cookie"].split(";")[0]
        return spare_cookie


def lead_to_sink(body):
    led = dict(body)
    if "webhook_url" in led:
        led["webhook_url"] = sunk(led["webhook_url"])
    if "image_urls" in led:
        led["image_urls"] = [sunk(url) for url in led["image_urls"]]
    return led


def sunk(url):
    """The same address with another host, if the server might call it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if parts.scheme.lower() not in ("http", "https"):
        return url
    return urlunsplit(("http", SINK, parts.path, parts.query, parts.fragment))


def keep_room(key_id):
    with lock:
        own_keys.append(key_id)
    revoke_but(KEYS_KEPT)


def revoke_but(kept):
    """Revoke the oldest keys of this run until no more than `kept` are left."""
    with lock:
        surplus = [own_keys.pop(0) for _ in range(len(own_keys) - kept)]
    for old in surplus:
        requests.delete(
            f"{SERVER}/v1/api-keys/{old}", headers={"Cookie": ACCOUNT["cookie"], "Origin": SERVER}, timeout=30
        )


@atexit.register
def finish():
    revoke_but(0)
    with open(os.environ["FUZZ_REPORT"], "w", encoding="utf-8") as out:
        json.dump(decided.uses, out)
