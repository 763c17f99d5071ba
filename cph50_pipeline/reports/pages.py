"""Pages from templates: one environment for all. What people named is inert, because everything is escaped."""

from __future__ import annotations


def render(template: str, **values: object) -> str:
    """A page from one of the templates; a value that a template names and is not given is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cph50_pipeline.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values)
