"""The refusals and answers that schemathesis calls failures and that are right.

Each entry has a line in docs/decisions/0017. One that explains nothing in a whole run fails that run.
"""

import threading

from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData, UndefinedStatusCode, UseAfterFree

# Better Auth's operations that need a session.
OWN = {
    "listSessions", "revokeSession", "revokeSessions", "revokeOtherSessions", "changePassword", "changeEmail", "updateUser", "deleteUser",
}


def error(response):
    """The error of an answer, of the envelope or of Better Auth; empty when there is none."""
    try:
        body = response.json()
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    inner = body.get("error", body)
    return inner if isinstance(inner, dict) else {}


def error_code(response):
    return error(response).get("code")


def says(code, message=None):
    """An entry for an error with this code, and with this text when one is given."""
    return lambda response: error_code(response) == code and message in (None, error(response).get("message"))


def field(name, rule=None):
    """An entry for a body of which only this field is refused, by this rule when one is given."""

    def holds(response):
        fields = error(response).get("fields") or []
        return bool(fields) and all(
            f["in"] == "body" and f["name"].split("[")[0] == name and rule in (None, f["rule"]) for f in fields
        )

    return holds


def query(name, rule):
    """An entry for a request of which only this parameter is refused, by this rule."""

    def holds(response):
        fields = error(response).get("fields") or []
        return [(f["in"], f["name"], f["rule"]) for f in fields] == [("query", name, rule)]

    return holds


def still_shown(response):
    return response.json()["data"]["status"] == "revoked"


def answers(status):
    """An entry for a status."""
    return lambda response: response.status_code == status


# name: the failure, the operations, and which answers are meant
ENTRIES = {
    "model-not-on-sale": (RejectedPositiveData, {"generate"}, field("model")),
    "idempotency-mismatch": (RejectedPositiveData, {"generate", "rotateAPIKey"}, says("IDEMPOTENCY_MISMATCH")),
    "environment-of-another-key": (RejectedPositiveData, {"listTasks", "getTask"}, query("environment", "key")),
    "network-that-is-none": (RejectedPositiveData, {"createAPIKey", "updateAPIKey"}, field("limits.networks", "cidr")),
    "time-zone-that-is-none": (RejectedPositiveData, {"createAPIKey", "updateAPIKey"}, field("limits.time_zone", "timeZone")),
    "cap-of-nothing": (RejectedPositiveData, {"createAPIKey", "updateAPIKey"}, field("limits.spend_cap.amount", "minimum")),
    "nul-in-text": (
        RejectedPositiveData,
        {
            "signOut", "signInEmail", "signUpEmail", "generate", "createAPIKey", "updateAPIKey", "revokeSession", "revokeSessions",
            "revokeOtherSessions", "changePassword", "changeEmail", "updateUser", "deleteUser", "requestPasswordReset", "resetPassword",
            "sendVerificationEmail",
        },
        says("BAD_REQUEST", "request body holds a NUL character"),
    ),
    "nul-in-query": (
        RejectedPositiveData,
        {"getSession", "listTasks", "listUsage", "summarizeUsage", "listAuditLog", "resetPasswordCallback", "verifyEmail", "resetPassword"},
        says("BAD_REQUEST", "the path or query holds characters that are not allowed"),
    ),
    "expiry-in-the-past": (RejectedPositiveData, {"createAPIKey", "updateAPIKey"}, field("expires_at", "future")),
    "wrong-password": (RejectedPositiveData, {"signInEmail"}, says("INVALID_EMAIL_OR_PASSWORD")),
    "email-of-better-auth": (RejectedPositiveData, {"signInEmail"}, says("INVALID_EMAIL")),
    "email-schema-of-better-auth": (
        RejectedPositiveData,
        {"signUpEmail", "requestPasswordReset", "sendVerificationEmail"},
        says("VALIDATION_ERROR", "[body.email] Invalid email address"),
    ),
    "new-email-schema-of-better-auth": (
        RejectedPositiveData,
        {"changeEmail"},
        says("VALIDATION_ERROR", "[body.newEmail] Invalid email address"),
    ),
    "password-too-short": (
        RejectedPositiveData,
        {"signUpEmail", "changePassword", "resetPassword"},
        says("PASSWORD_TOO_SHORT"),
    ),
    "password-too-long": (
        RejectedPositiveData,
        {"signInEmail", "signUpEmail", "changePassword", "resetPassword", "deleteUser"},
        says("PASSWORD_TOO_LONG"),
    ),
    "wrong-present-password": (RejectedPositiveData, {"changePassword", "deleteUser"}, says("INVALID_PASSWORD")),
    "password-tried-too-often": (
        RejectedPositiveData,
        {"signInEmail", "changePassword", "deleteUser"},
        says("TOO_MANY_REQUESTS", "Too many wrong passwords; try again later"),
    ),
    "page-not-trusted": (
        RejectedPositiveData,
        {"signUpEmail", "changeEmail", "deleteUser", "sendVerificationEmail", "resetPasswordCallback", "verifyEmail"},
        says("INVALID_CALLBACK_URL"),
    ),
    "page-of-a-reset-not-trusted": (RejectedPositiveData, {"requestPasswordReset"}, says("INVALID_REDIRECT_URL")),
    "unknown-token": (
        RejectedPositiveData,
        {"resetPassword", "verifyEmail", "deleteUser"},
        says("INVALID_TOKEN"),
    ),
    "origin-before-session": ((AcceptedNegativeData, RejectedPositiveData), OWN, says("INVALID_ORIGIN")),
    "link-leads-on": (RejectedPositiveData, {"resetPasswordCallback", "verifyEmail"}, answers(302)),
    "link-too-long": (
        (AcceptedNegativeData, UndefinedStatusCode),
        {"resetPasswordCallback", "verifyEmail", "resetPassword"},
        answers(431),
    ),
    "nothing-to-update": (RejectedPositiveData, {"updateUser"}, says("NO_FIELDS_TO_UPDATE")),
    "address-of-another": (RejectedPositiveData, {"sendVerificationEmail"}, says("EMAIL_MISMATCH")),
    "user-exists": (
        RejectedPositiveData,
        {"signUpEmail"},
        says("USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"),
    ),
    "revoked-key-stays-shown": (UseAfterFree, {"getAPIKey"}, still_shown),
}

uses = dict.fromkeys(ENTRIES, 0)
lock = threading.Lock()


def explains(failure, case, response):
    """Whether an entry says that this failure is none, and which answers it was for."""
    operation = case.operation.definition.raw.get("operationId")
    for name, (kind, operations, holds) in ENTRIES.items():
        if isinstance(failure, kind) and operation in operations and holds(response):
            with lock:
                uses[name] += 1
            return True
    return False
