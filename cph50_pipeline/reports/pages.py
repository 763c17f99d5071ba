"""Pages from templates: one kind of environment for all. What people named is inert, because everything is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(package: str = "cph50_pipeline.reports") -> Environment:
    """Where the templates of a package are rendered; a value that one names and is not given is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **values: object) -> str:
    """A page from one of the reports' templates."""
    return environment().get_template(template).render(values)
