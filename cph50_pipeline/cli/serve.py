"""The commands of the pages and the read API: `cph50 serve`, and the token that lets people change something."""

from __future__ import annotations

import signal
from contextlib import nullcontext, suppress
from typing import Annotated

import typer

from cph50_pipeline.cli import output
from cph50_pipeline.cli.options import AsJson
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import load_settings


def serve(
    host: Annotated[
        str | None, typer.Option(help="Where to listen; CPH50_API_HOST when left out.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Its port, 0 for a free one; CPH50_API_PORT when left out.", min=0, max=65535),
    ] = None,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look at the devices as well: for those without Dagster's daemon.")
    ] = False,
) -> None:
    """Serve the pages and the read API until interrupted: what is stored, and how things stand now."""
    from cph50_pipeline.defs.live_polling import polling
    from cph50_pipeline.storage.logs import configure_logging
    from cph50_pipeline.web.access import Access
    from cph50_pipeline.web.app import build_app
    from cph50_pipeline.web.serving import address_of, listen, server_of

    changes = {"api_host": host, "api_port": port}
    settings = load_settings(**{name: value for name, value in changes.items() if value is not None})
    access = Access.of(settings)
    if access.guards_reads and not access.has_token:
        raise BadInputError(
            f"{settings.api_host} can be reached by others, and no API token is set up",
            kept="Nothing is served",
            remedy="`cph50 token` makes one; or listen on 127.0.0.1",
        )
    configure_logging(settings, "api")
    with listen(settings.api_host, settings.api_port) as listener:
        address = address_of(listener)

        def announce() -> None:
            output.progress(f"The pages and the read API: {address}    its routes: {address}docs")

        server = server_of(build_app(settings), announce)
        # The server ends what it is at, and then passes on the signal that told it to stop.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with polling(output.progress) if poll else nullcontext(), suppress(KeyboardInterrupt):
            server.run([listener])
    output.progress("Stopped")


def token(
    replace: Annotated[
        bool, typer.Option("--replace", help="Make another, and refuse the one before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the token for what changes something through the API, and print it this once: only its hash is kept."""
    from cph50_pipeline.web.access import make_token

    settings = load_settings()
    if settings.api_token is not None:
        raise BadInputError(
            "CPH50_API_TOKEN is set and goes first", remedy="Unset it, or put the token to use there"
        )
    made = make_token(settings.private_dir, replace=replace)
    if as_json:
        output.show_document({"token": made})
    else:
        print(made)
