"""A place with files whose listings and bytes are kept as they came, or come again without the place.

Put in the place's way by `sources.files` while raw data of a stream is kept or replayed. Every file is fetched, also
one of this machine: what is kept are the very bytes that are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from bief.errors import SourceMisread
from bief.ports.raw import Kept, RawTrack
from bief.storage.stored import Storage, StoredFile

_PIECE_BYTES: Final = 4 << 20
_MOMENTS: Final = ("modified", "touched")


class RecordedStorage:
    """See `storage.stored.Storage`."""

    def __init__(self, storage: Storage, track: RawTrack) -> None:
        self._storage = storage
        self._track = track

    def find(self, patterns: Sequence[str]) -> list[StoredFile]:
        def fetch() -> Kept:
            return Kept({"files": [_json_of(file) for file in self._storage.find(patterns)]}, b"")

        # A place is looked at again while its files are still being written: what counts is the last look.
        kept = self._track.through(f"list {' '.join(patterns)}", fetch, latest=True)
        return [_file_of(words) for words in kept.about["files"]]

    def stat(self, file: StoredFile) -> StoredFile | None:
        return file

    def open(self, file: StoredFile) -> BinaryIO:
        return self._storage.open(file)

    def local_path(self, file: StoredFile) -> Path | None:
        return None

    def fetch(self, file: StoredFile, to: Path, max_bytes: int) -> StoredFile:
        """In a replay, the pieces are put together again; else the fetched file is taken apart into them."""
        fetched = self._track.through(f"file {file.name}", lambda: self._fetched(file, to, max_bytes))
        about = fetched.about
        if to.exists():
            _keep_pieces(self._track, file.name, to)
        else:
            self._write_pieces(file.name, to, int(about["bytes"]), max_bytes)
        return _file_of(about["file"])

    def close(self) -> None:
        self._storage.close()

    def _fetched(self, file: StoredFile, to: Path, max_bytes: int) -> Kept:
        found = self._storage.fetch(file, to, max_bytes)
        return Kept({"file": _json_of(found), "bytes": to.stat().st_size}, b"")

    def _write_pieces(self, name: str, to: Path, size: int, max_bytes: int) -> None:
        if size > max_bytes:
            raise SourceMisread(f"The file is larger than {max_bytes} bytes.", where=name)
        with to.open("wb") as copy:
            while copy.tell() < size:
                copy.write(self._track.through(_piece(name, copy.tell()), _nothing).body)


def _keep_pieces(track: RawTrack, name: str, path: Path) -> None:
    place = 0
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            # A secret has no line break: cut there, it is seen as a whole when secrets are blotted out.
            body = piece[: piece.rfind(b"\n") + 1] or piece
            stream.seek(place + len(body))
            track.through(_piece(name, place), lambda body=body: Kept({}, body))  # type: ignore[misc]
            place += len(body)


def _piece(name: str, place: int) -> str:
    return f"file {name} from byte {place}"


def _nothing() -> Kept:
    raise AssertionError("a replay fetches nothing")


def _json_of(file: StoredFile) -> dict[str, Any]:
    words = asdict(file)
    return {**words, **{name: words[name] and words[name].isoformat() for name in _MOMENTS}}


def _file_of(words: dict[str, Any]) -> StoredFile:
    moments = {name: words[name] and datetime.fromisoformat(words[name]) for name in _MOMENTS}
    return StoredFile(**{**words, **moments})
