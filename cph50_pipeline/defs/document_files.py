"""Which files an asset without months writes: their form, and what each must be before it replaces the last good one.

The registry behind the IO manager and `reconcile`, beside `month_files`. No Dagster and no disk here: bytes in, values
out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cph50_pipeline.defs.store import CLASSIFIER_FILE, PREVIOUS_CLASSIFIER_FILE
from cph50_pipeline.errors import BadInputError, PermanentError
from cph50_pipeline.power.data_points import EVENT_TOTALS, FILES, PATHS, read_totals
from cph50_pipeline.power.data_points import read as read_data_points
from cph50_pipeline.reports.digest import Digest
from cph50_pipeline.reports.unclassified import UnclassifiedReport
from cph50_pipeline.storage.documents import dump_json, load_json
from cph50_pipeline.vehicles.classifier import VehicleModel

CLASSIFIER_HTML = "reports/classifier.html"
UNCLASSIFIED_JSON = "reports/unclassified.json"
UNCLASSIFIED_CSV = "reports/unclassified.csv"
DIGEST_JSON = "reports/vehicles.json"
DIGEST_CSV = "reports/vehicles.csv"
DIGEST_HTML = "reports/vehicles.html"
SITE_FOLDER = "site/"
SITE_INDEX = f"{SITE_FOLDER}index.html"
FOLDERS: Mapping[str, str] = {"site": SITE_FOLDER}
"""Assets that have further files in a folder of their own, as many as there is to show."""


@dataclass(frozen=True)
class DocumentFile:
    """One file of an asset.

    Attributes:
        path: Relative to the data root.
        parse: Bytes and a name for messages to the value; raises BadInputError.
        dump: What the asset returned to bytes, the same for the same value; raises BadInputError.
        is_optional: Whether the asset may return nothing for it; the file then stays as it is.
    """

    path: str
    parse: Callable[[bytes, str], Any]
    dump: Callable[[Any], bytes]
    is_optional: bool = False


def json_file(path: str, read: Callable[[object, str], object], *, is_optional: bool = False) -> DocumentFile:
    """A JSON file.

    Args:
        read: The parsed document, with the file's name for messages, to the value; raises BadInputError.
    """
    return DocumentFile(path, lambda data, name: read(load_json(data, name), name), dump_json, is_optional)


def text_file(path: str, *, is_optional: bool = False) -> DocumentFile:
    """A file of text, in UTF-8."""
    return DocumentFile(path, _read_text, lambda text: str(text).encode(), is_optional)


def dump_documents(asset: str, value: object) -> dict[str, bytes]:
    """What an asset returned, as the bytes of its files; each can be read back.

    Args:
        value: A document, or text, by path, in the order in which the files are to be written.

    Raises:
        PermanentError: a file is missing, is none of the asset's, or would not be readable; nothing was written.
    """
    files = {file.path: file for file in DOCUMENT_FILES[asset]}
    given = value if isinstance(value, Mapping) else {}
    folder = FOLDERS.get(asset)
    if folder is not None:
        files |= {path: _page_file(path) for path in given if path not in files and path.startswith(folder)}
    wanted = {file.path for file in DOCUMENT_FILES[asset] if not file.is_optional}
    if not wanted <= given.keys() <= files.keys():
        raise PermanentError(
            f"{asset} must return a value for each of {', '.join(sorted(wanted))}, and for no file that is not its own",
            kept="The last good files stay as they are",
        )
    return {path: _dump(files[path], document) for path, document in given.items()}


def _dump(file: DocumentFile, value: object) -> bytes:
    try:
        data = file.dump(value)
        file.parse(data, file.path)
    except BadInputError as error:
        raise PermanentError(error.message, kept="The last good file stays as it is") from error
    return data


def _page_file(path: str) -> DocumentFile:
    """A page, or what one loads."""
    if path.endswith(".html"):
        return text_file(path)
    return DocumentFile(path, lambda data, name: data, bytes)


def _read_text(data: bytes, name: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadInputError(f"{name} is not UTF-8 text", remedy="Materialize it again") from error
    if not text.endswith("\n"):  # cut short, or nothing at all
        raise BadInputError(f"{name} does not end with a whole line", remedy="Materialize it again")
    return text


DOCUMENT_FILES: Mapping[str, tuple[DocumentFile, ...]] = {
    "vehicle_classifier": (
        json_file(CLASSIFIER_FILE, VehicleModel.read, is_optional=True),
        json_file(PREVIOUS_CLASSIFIER_FILE, VehicleModel.read, is_optional=True),
        text_file(CLASSIFIER_HTML, is_optional=True),
    ),
    "unclassified_sessions": (
        json_file(UNCLASSIFIED_JSON, UnclassifiedReport.read),
        text_file(UNCLASSIFIED_CSV),
    ),
    "power_files": (
        json_file(EVENT_TOTALS, read_totals),
        *(json_file(PATHS[file], read_data_points, is_optional=True) for file in FILES),
    ),
    "vehicle_digest": (json_file(DIGEST_JSON, Digest.read), text_file(DIGEST_CSV), text_file(DIGEST_HTML)),
    "site": (text_file(SITE_INDEX),),
}
"""The files of each asset."""
