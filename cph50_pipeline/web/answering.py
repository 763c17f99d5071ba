"""From a question to the bytes that are sent: pages of rows in three forms, ETags, and what caches are told."""

from __future__ import annotations

import io
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import BaseModel

from cph50_pipeline.web.cached import CACHE_CONTROL, Body, Served
from cph50_pipeline.web.context import Context
from cph50_pipeline.web.forms import Form, form_of

if TYPE_CHECKING:
    import pyarrow as pa

TOTAL_HEADER = "X-Total-Count"
STALE_HEADER = "X-Stale"
JSON_LIMIT = 100
TABLE_LIMIT = 100_000
_FRESH = b'{"stale":false,'
_STALE = b'{"stale":true,'
_TOTAL = "total_rows"


@dataclass(frozen=True)
class Question:
    """A list that is asked for.

    Attributes:
        name: What the JSON calls the list.
        sql: Selects all rows; the page is cut out of them.
        order_by: The columns that order them.
        values: What is bound to its names.
        query: The request's parameters, for the links to other pages.
        limit: How many rows; None: as many as the form gives unasked.
        offset: How many rows are left out before the first.
        made_of: The fingerprint of the files.
    """

    name: str
    sql: str
    order_by: str
    values: Mapping[str, Any]
    query: BaseModel
    limit: int | None
    offset: int
    made_of: Hashable


def answer_list(request: Request, context: Context, suffix: Form | None, question: Question) -> Response:
    """A page of a list, in the form asked for.

    Raises:
        ProblemError: 406 for a form that there is not.
        Cph50Error: it could not be made.
    """
    form = form_of(suffix, request.headers.get("accept"))
    path = request.url.path
    key = (path, question.query.model_dump_json(), form)
    served = context.answers.get(key, question.made_of, lambda: _page(context, path, form, question))
    return respond(request, served)


def answer_rows(
    request: Request,
    suffix: Form | None,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    about: Mapping[str, Any],
) -> Response:
    """A list that is made for each request, in the form asked for; in JSON with what is said about it.

    Raises:
        ProblemError: 406 for a form that there is not.
    """
    form = form_of(suffix, request.headers.get("accept"))
    if form is Form.JSON:
        return json_response({**about, "total": len(rows), name: rows})
    context: Context = request.app.state.context
    data = _encoded(context, _table(rows), form)
    headers = {"Cache-Control": "no-store", TOTAL_HEADER: str(len(rows)), "Vary": "Accept"}
    return Response(data, headers=headers, media_type=form.media_type)


def all_rows(context: Context, question: Question, form: Form) -> bytes:
    """All rows of a list, however many there are; in JSON a list of objects.

    Raises:
        Cph50Error: it could not be made.
    """
    sql = f"SELECT * FROM ({question.sql}) ORDER BY {question.order_by}"
    return _encoded(context, context.history.table(sql, question.values), form)


def respond(request: Request, served: Served) -> Response:
    """A kept answer as a response; 304 where the client has it already."""
    body = _marked(served)
    headers = {**body.headers, "ETag": body.etag, "Cache-Control": CACHE_CONTROL, "Vary": "Accept"}
    if served.stale is not None:
        headers[STALE_HEADER] = _one_line(served.stale)
    if _has_it(request.headers.get("if-none-match", ""), body.etag):
        return Response(status_code=304, headers=headers)
    return Response(body.data, headers=headers, media_type=body.media_type)


def json_body(document: Mapping[str, Any]) -> Body:
    """An object as an answer that can be marked as stale."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return Body(_FRESH + text[1:] if document else _FRESH[:-1] + b"}", Form.JSON.media_type)


def json_response(document: Mapping[str, Any], status: int = 200) -> Response:
    """An object that is made for each request."""
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return Response(data, status, {"Cache-Control": "no-store"}, media_type=Form.JSON.media_type)


def snapshot(about: Mapping[str, Any], data: bytes, why_stale: str | None = None) -> Response:
    """How something stands now: a JSON object with what is said about it, its age above all, before its own fields.

    Args:
        why_stale: Why it is an old one; None when it is not, or when its age says enough.
    """
    said = json.dumps(about, separators=(",", ":")).encode()
    rest = data.lstrip()[1:]
    separator = b"" if rest.lstrip().startswith(b"}") else b","
    whole = said[:-1] + separator + rest
    headers = {"Cache-Control": "no-store"} | ({STALE_HEADER: _one_line(why_stale)} if why_stale else {})
    return Response(whole, headers=headers, media_type=Form.JSON.media_type)


def _marked(served: Served) -> Body:
    """The body, which says itself where it is an object that it is an old one."""
    body = served.body
    if served.stale is None or not body.data.startswith(_FRESH):
        return body
    return Body(_STALE + body.data[len(_FRESH) :], body.media_type, body.headers)


def _page(context: Context, path: str, form: Form, question: Question) -> Body:
    limit = question.limit or (JSON_LIMIT if form is Form.JSON else TABLE_LIMIT)
    rows, total = _rows(context, question, limit)
    links = _links(path, question, limit, total)
    headers = {TOTAL_HEADER: str(total)}
    if links:
        headers["Link"] = ", ".join(f'<{target}>; rel="{name}"' for name, target in links.items())
    encoded = _encoded(context, rows, form)
    if form is not Form.JSON:
        return Body(encoded, form.media_type, headers)
    about = {"total": total, "limit": limit, "offset": question.offset, "next": links.get("next")}
    shown = json.dumps(about, separators=(",", ":")).encode()
    listed = b'"' + question.name.encode() + b'":' + encoded
    return Body(_FRESH + shown[1:-1] + b"," + listed + b"}", form.media_type, headers)


def _rows(context: Context, question: Question, limit: int) -> tuple[pa.Table, int]:
    """A page's rows, and how many there are in all."""
    sql = (
        f"SELECT *, count(*) OVER () AS {_TOTAL} FROM ({question.sql}) "
        f"ORDER BY {question.order_by} LIMIT $limit OFFSET $offset"
    )
    table = context.history.table(sql, {**question.values, "limit": limit, "offset": question.offset})
    if table.num_rows:
        return table.drop_columns([_TOTAL]), int(table.column(_TOTAL)[0].as_py())
    counted = f"SELECT count(*) AS {_TOTAL} FROM ({question.sql})"
    total = (
        context.history.table(counted, question.values).column(_TOTAL)[0].as_py() if question.offset else 0
    )
    return table.drop_columns([_TOTAL]), int(total)


def _links(path: str, question: Question, limit: int, total: int) -> dict[str, str]:
    given = question.query.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"limit", "offset"}
    )

    def link(offset: int) -> str:
        return f"{path}?{urlencode({**given, 'limit': limit, 'offset': offset})}"

    links = {}
    if question.offset + limit < total:
        links["next"] = link(question.offset + limit)
    if question.offset > 0:
        links["prev"] = link(max(0, question.offset - limit))
        links["first"] = link(0)
    return links


def _encoded(context: Context, rows: pa.Table, form: Form) -> bytes:
    if form is Form.JSON:
        return context.history.json_rows(rows)
    return context.history.csv(rows) if form is Form.CSV else _parquet(rows)


def _parquet(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table; a column of several kinds of values, or of lists, becomes text."""
    import pyarrow as pa

    columns = {}
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        try:
            columns[name] = pa.array(_texts_of(values))
        except pa.ArrowException:
            columns[name] = pa.array([None if value is None else str(value) for value in values])
    return pa.table(columns)


def _texts_of(values: Sequence[Any]) -> list[Any]:
    return [json.dumps(value) if isinstance(value, list | dict) else value for value in values]


def _has_it(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def _one_line(text: str) -> str:
    """A text as a header can carry it."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)[:500]
