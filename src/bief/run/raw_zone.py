"""The raw zone on the disk: data as it came, under `.bief/raw/<run>/<stream>/<read>/`.

Written by `run.raw_sources` while a run reads, read by it when the run is replayed. Each read of a stream has a file
of zstd frames, one for each piece, and `manifest.jsonl`: first the read itself (the position it began at), then a line
for each piece (what was asked, when, bytes, SHA-256, place in the file), at last where it ended. Only the owner may
read them. Secrets that Bief knows are blotted out, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

import pyarrow as pa

from bief.base.clock import Clock
from bief.base.secrets import Redactor
from bief.batches.batch import Position
from bief.errors import RawUnusable
from bief.ports.raw import Kept

_MANIFEST: Final = "manifest.jsonl"
_PIECES: Final = "pieces.zst"
_RUN: Final = "run.json"


class RawWriter:
    """One read of one stream while it is kept. See `ports.raw.RawTrack`."""

    def __init__(self, folder: Path, since: Position | None, redactor: Redactor, clock: Clock) -> None:
        self._folder = folder
        self._redactor = redactor
        self._clock = clock
        self._lock = threading.Lock()
        with _writing(folder):
            folder.mkdir(parents=True, mode=0o700)
            self._pieces = _private(folder / _PIECES)
            self._manifest = _private(folder / _MANIFEST)
        self._offset = 0
        self._line({"began": clock.now().isoformat(), "position_before": _json_of(since)})

    def through(self, identity: str, fetch: Callable[[], Kept], *, latest: bool = False) -> Kept:
        kept = fetch()
        self.keep(identity, kept)
        return kept

    def keep(self, identity: str, kept: Kept) -> None:
        """Write one piece. Raises RawUnusable."""
        body, blotted = self._redactor.blot(kept.body)
        frame: bytes = pa.compress(body, codec="zstd", asbytes=True)
        with self._lock, _writing(self._folder):
            self._pieces.write(frame)
            self._line(
                {
                    "identity": self._cleaned(identity),
                    "at": self._clock.now().isoformat(),
                    "bytes": len(body),
                    "sha256": hashlib.sha256(body).hexdigest(),
                    "offset": self._offset,
                    "length": len(frame),
                    "blotted": blotted,
                    "about": self._cleaned(kept.about),
                }
            )
            self._offset += len(frame)

    def settle(self) -> None:
        """See that everything kept so far is on the disk, before a batch made of it is committed."""
        with self._lock, _writing(self._folder):
            for file in (self._pieces, self._manifest):
                file.flush()
                os.fsync(file.fileno())

    def end(self, position: Position) -> None:
        """The round is complete."""
        with self._lock, _writing(self._folder):
            self._line({"ended": self._clock.now().isoformat(), "position_after": _json_of(position)})
        self.settle()

    def close(self) -> None:
        with _writing(self._folder):
            self._pieces.close()
            self._manifest.close()

    def _line(self, words: Mapping[str, Any]) -> None:
        self._manifest.write(json.dumps(words, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")

    def _cleaned(self, value: Any) -> Any:
        """The value without secrets: before it is JSON, where a quote in a secret would have a backslash."""
        if isinstance(value, str):
            return self._redactor.clean(value)
        if isinstance(value, Mapping):
            return {self._redactor.clean(str(name)): self._cleaned(inner) for name, inner in value.items()}
        return [self._cleaned(inner) for inner in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Piece:
    """One line of a manifest. `blotted`: how many secrets were taken out of the body."""

    identity: str
    bytes: int
    sha256: str
    offset: int
    length: int
    blotted: int
    about: Mapping[str, Any]


@dataclass(frozen=True)
class KeptStream:
    """What one run has kept of one stream: its last read, which must be its whole read."""

    run_id: str
    stream: str
    folder: Path
    before: Position | None
    after: Position | None
    pieces: tuple[Piece, ...]

    def body(self, piece: Piece) -> bytes:
        """The bytes of a piece. Raises RawUnusable if they are not what was kept."""
        try:
            with (self.folder / _PIECES).open("rb") as file:
                file.seek(piece.offset)
                body: bytes = pa.decompress(file.read(piece.length), piece.bytes, codec="zstd", asbytes=True)
        except (OSError, pa.ArrowException) as error:
            raise self.unusable(f"'{piece.identity}' cannot be read: {error}.") from None
        if hashlib.sha256(body).hexdigest() != piece.sha256:
            raise self.unusable(f"'{piece.identity}' is damaged: its SHA-256 is another one.")
        return body

    def check(self) -> None:
        """See that all pieces are there and whole. Raises RawUnusable."""
        for piece in self.pieces:
            self.body(piece)

    def unusable(self, what: str) -> RawUnusable:
        return RawUnusable(
            what, where=str(self.folder), do="Nothing was loaded. Replay another run (bief runs), or run without it."
        )


class RawPlayer:
    """The pieces of a kept stream, each again in the order in which it was asked for. See `ports.raw.RawTrack`."""

    def __init__(self, kept: KeptStream, redactor: Redactor) -> None:
        self._kept = kept
        self._redactor = redactor
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Piece]] = {}
        for piece in kept.pieces:
            self._waiting.setdefault(piece.identity, deque()).append(piece)

    def through(self, identity: str, fetch: Callable[[], Kept], *, latest: bool = False) -> Kept:
        identity = self._redactor.clean(identity)
        with self._lock:
            waiting = self._waiting.get(identity)
            piece = None if not waiting else waiting[-1] if latest else waiting.popleft()
        if piece is None:
            raise RawUnusable(
                f"the project file now asks for '{identity}', which was not asked when the raw data was kept.",
                where=f"run {self._kept.run_id}, stream {self._kept.stream}",
                do="Columns, types and checks may change between a run and its replay; paths, parameters and paging may"
                " not. Undo those changes, or run without --from-raw.",
            )
        return Kept(piece.about, self._kept.body(piece))


class RawZone:
    """All raw data of a project."""

    def __init__(self, folder: Path, redactor: Redactor, clock: Clock) -> None:
        self._folder = folder
        self._redactor = redactor
        self._clock = clock

    def begin(self, run_id: str, pipeline: str) -> None:
        """Make the folder of a run. Raises RawUnusable."""
        with _writing(self._folder):
            (self._folder / run_id).mkdir(parents=True, mode=0o700, exist_ok=True)
            self._folder.chmod(0o700)
            with _private(self._folder / run_id / _RUN) as file:
                file.write(json.dumps({"pipeline": pipeline, "began": self._clock.now().isoformat()}).encode())

    def writer(self, run_id: str, stream: str, since: Position | None) -> RawWriter:
        """A new read of a stream, for `begin`'s run. Raises RawUnusable."""
        place = self._folder / run_id / quote(stream, safe="")
        number = len(list(place.iterdir())) + 1 if place.exists() else 1
        return RawWriter(place / str(number), since, self._redactor, self._clock)

    def kept(self, run_id: str, stream: str) -> KeptStream:
        """What a run has kept of a stream, whole and checked. Raises RawUnusable."""
        place = self._folder / run_id / quote(stream, safe="")
        reads = sorted(place.iterdir(), key=lambda each: int(each.name)) if place.is_dir() else []
        if not reads:
            raise RawUnusable(
                f"run {run_id} has kept no raw data of the stream '{stream}'.",
                where=str(self._folder),
                do="Only runs of a pipeline with `keep_raw` can be replayed; --select leaves streams out.",
            )
        found = [_read(run_id, stream, each) for each in reads]
        last = found[-1]
        if last.before != found[0].before:
            raise last.unusable("the source changed in the middle of the run, and what was read falls into parts.")
        if last.after is None:
            raise last.unusable("the run did not come to the end of the stream.")
        last.check()
        return last

    def forget(self, pipeline: str, *, but: int) -> None:
        """Remove what runs of a pipeline have kept, except for the newest `but` runs. What cannot be removed stays:
        the run that asks for it has succeeded."""
        found = [(_told(each), each.parent) for each in self._folder.glob(f"*/{_RUN}")]
        # Not by name: two runs of one second have no order there.
        mine = sorted((words.get("began", ""), folder) for words, folder in found if words.get("pipeline") == pipeline)
        for _, folder in mine[: max(len(mine) - but, 0)]:
            shutil.rmtree(folder, ignore_errors=True)


def _read(run_id: str, stream: str, folder: Path) -> KeptStream:
    kept = KeptStream(run_id, stream, folder, None, None, ())
    try:
        lines = [json.loads(line) for line in (folder / _MANIFEST).read_bytes().splitlines()]
        before, after = _position_of(lines[0]["position_before"]), None
        if "position_after" in lines[-1]:
            after = _position_of(lines.pop()["position_after"])
        pieces = tuple(Piece(**{name: line[name] for name in Piece.__annotations__}) for line in lines[1:])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise kept.unusable(f"the manifest is missing or damaged: {type(error).__name__}: {error}.") from None
    return KeptStream(run_id, stream, folder, before, after, pieces)


def _told(file: Path) -> dict[str, str]:
    """What the file of a run says; nothing if it cannot be read."""
    try:
        words: dict[str, str] = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return words


def _json_of(position: Position | None) -> dict[str, Any] | None:
    return None if position is None else {"value": dict(position.value), "complete": position.complete}


def _position_of(words: dict[str, Any] | None) -> Position | None:
    return None if words is None else Position(words["value"], bool(words["complete"]))


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RawUnusable(
            f"raw data cannot be kept: {error.strerror or error}.",
            where=str(folder),
            do="Free space or correct the permissions, or take `keep_raw` out of the pipeline.",
        ) from None
