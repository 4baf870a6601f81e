"""What a Jupyter server reports about kernels and files.

Its events contain paths, names and messages, and any client can send events: of each, one or two
words are looked up in closed vocabularies, and nothing else is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dev_analytics.callbacks import quiet
from dev_analytics.observers.plain import plain

if TYPE_CHECKING:
    from dev_analytics.analytics import Analytics

_SCHEMAS: Final = "https://events.jupyter.org/jupyter_server/"
_ENDINGS: Final = {
    "notebook": "ipynb",
    "python": "py pyi pyw",
    "source code": "c cc cpp css cu go h hpp ipy java jl js jsx kt lua m php pl r rb rs scala sh "
    "sql swift ts tsx",
    "markdown": "md markdown myst qmd rmd rst",
    "text": "log tex txt",
    "data": "arrow csv db feather h5 hdf5 json jsonl npy npz ods parquet pickle pkl sqlite tsv xls "
    "xlsx xml",
    "configuration": "cfg conf env ini toml yaml yml",
    "image": "bmp gif ico jpeg jpg png svg tif tiff webp",
    "document": "doc docx epub htm html odp odt pdf ppt pptx",
    "archive": "7z bz2 gz rar tar tgz whl xz zip zst",
}
_KINDS: Final = {ending: kind for kind, endings in _ENDINGS.items() for ending in endings.split()}


class ServerEvents:
    """Observes the events of one server, and records them in `analytics`.

    A failure is counted in `drops`: a listener that raises would fill the server's log.
    """

    def __init__(self, analytics: Analytics) -> None:
        self.drops = analytics.drops
        self._analytics = analytics

    def register(self, event_logger: Any) -> None:
        """Listen to a server's ``event_logger``, on its loop: each event takes microseconds."""
        for schema, listener in (
            ("kernel_actions/v1", self._on_kernel),
            ("contents_service/v1", self._on_file),
        ):
            event_logger.add_listener(schema_id=f"{_SCHEMAS}{schema}", listener=listener)

    async def _on_kernel(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        self._kernel(data)

    async def _on_file(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        self._file(data)

    @quiet
    def _kernel(self, data: dict[str, Any]) -> None:
        given = plain(data)
        self._analytics.event("kernel_action", action=given["action"], status=given["status"])

    @quiet
    def _file(self, data: dict[str, Any]) -> None:
        given = plain(data)
        action, path = given["action"], given["path"]
        # A server reads a file several times for each action on it.
        if type(action) is type(path) is str and action != "get":
            self._analytics.event("file_action", action=action, kind=file_kind(path))


def file_kind(path: str) -> str:
    """Return the kind of a file by the ending of its name: ``"other"`` if it is on no list."""
    name, _, ending = path.rpartition("/")[2].rpartition(".")
    return _KINDS.get(ending.lower(), "other") if name else "other"
