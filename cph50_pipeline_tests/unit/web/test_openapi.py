"""The API against its own description, by schemathesis: no fault of the server, and no answer that is not described."""

from __future__ import annotations

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

EXAMPLES = 8
# That the last day is not before the first stands in no schema: what fits the schema may be refused.
NOT_HELD = [positive_data_acceptance]


@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value
)
def test_whatever_is_asked_the_answer_is_one_that_is_described(
    api: httpx.Client, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_url(f"{api.base_url}openapi.json", timeout=30)

    for found in schema.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not (
            operation.query or operation.path_parameters or operation.body
        ):
            continue  # nothing of it can be wrong

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def is_described(case: schemathesis.Case) -> None:
            # Not to be fresh is an answer of /readyz, and a source that is down one of `source=direct`.
            may_be_down = case.path == "/readyz" or "direct" in str(case.query)
            excluded = [*NOT_HELD, not_a_server_error] if may_be_down else NOT_HELD
            # With the token a refresh would begin, and go on.
            headers = {} if case.path.endswith("/refresh") else {"Authorization": "Bearer right-token"}
            case.call_and_validate(excluded_checks=excluded, headers=headers, timeout=30)

        is_described()
