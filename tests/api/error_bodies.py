"""The body of an error, in either of the two forms that the contracts have (C8)."""

from __future__ import annotations

import httpx
import msgspec

from api.errors import ErrorBody, ErrorEnvelope, is_v1


def error_code(answer: httpx.Response) -> str:
    """The code of an error whose body is whole and in the form of its path."""
    assert answer.status_code >= 400, answer.text
    if is_v1(answer.request.url.path):
        found = msgspec.json.decode(answer.content, type=ErrorEnvelope, strict=True)
        assert found.error.message, answer.text
        assert found.meta.request_id == answer.headers["x-request-id"]
        return found.error.code
    body = msgspec.json.decode(answer.content, type=ErrorBody, strict=True)
    assert (body.type, body.status) == ("error", answer.status_code), answer.text
    assert body.error_message == body.detail == body.message != ""
    assert body.error == body.error_code
    return body.error_code


def fields_at_fault(answer: httpx.Response) -> set[str]:
    """The fields that an error names, whichever body it has."""
    if is_v1(answer.request.url.path):
        return set(msgspec.json.decode(answer.content, type=ErrorEnvelope).error.details or {})
    body = msgspec.json.decode(answer.content, type=ErrorBody)
    return {body.field or "", *(body.fields or {})}
