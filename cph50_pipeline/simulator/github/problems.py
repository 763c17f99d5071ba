"""What GitHub answers when it does not do what was asked: status, message and where it is documented."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = "https://docs.github.com/rest"

RATE_LIMITED = "API rate limit exceeded for user ID 1."
SECONDARY_LIMITED = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)
NO_FAST_FORWARD = "Update is not a fast forward"
EMPTY_REPOSITORY = "Git Repository is empty."
NO_PERMISSION = "Resource not accessible by personal access token"
PROTECTED = "Changes must be made through a pull request."
NO_USER_AGENT = (
    "Request forbidden by administrative rules. Please make sure your request has a User-Agent header."
)


class ApiProblem(Exception):
    """A request that is refused.

    Args:
        errors: What exactly is wrong, where GitHub lists it.
        headers: Sent with the answer.
    """

    def __init__(
        self,
        status_code: int,
        message: str,
        *,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.message = message
        self.errors = errors
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        listed = {} if self.errors is None else {"errors": self.errors}
        return {
            "message": self.message,
            **listed,
            "documentation_url": DOCUMENTATION,
            "status": str(self.status_code),
        }


def usual_problem(status_code: int) -> ApiProblem:
    """What GitHub most often means by a status."""
    messages = {
        401: "Bad credentials",
        403: NO_PERMISSION,
        404: "Not Found",
        409: EMPTY_REPOSITORY,
        422: NO_FAST_FORWARD,
        429: SECONDARY_LIMITED,
        503: "Service unavailable",
    }
    return ApiProblem(status_code, messages.get(status_code, "Server Error"))


def not_found() -> ApiProblem:
    """There is no such thing, or this token may not know of it."""
    return usual_problem(404)


def unprocessable(message: str, *, errors: list[dict[str, str]] | None = None) -> ApiProblem:
    """The request is understood and cannot be carried out."""
    return ApiProblem(422, message, errors=errors)
