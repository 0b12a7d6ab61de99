"""The messages of a mailbox file as a source of Bief: a whole plug-in."""

import mailbox

import msgspec
from pydantic import Field

from bief.batches.batch import Batch, Position, Provenance
from bief.batches.rows import RecordReader
from bief.config.closed import Closed
from bief.errors import SourceRefused
from bief.ports.source import Stream


class MboxOptions(Closed):
    """A mailbox file."""

    type: str = "mbox"
    """The kind of source: `mbox`."""
    path: str = Field(examples=["mail/inbox.mbox"])
    """The file, from the project folder."""
    batch_rows: int = Field(default=1000, ge=1, examples=[1000])
    """Most messages in one load."""


class MboxSource:
    Options = MboxOptions
    kind = "mbox"

    def __init__(self, name, options, runtime):
        self._name, self._options, self._runtime = name, options, runtime
        self._path = runtime.folder / options.path

    def streams(self):
        return [Stream(name="messages", primary_key=("id",))]

    def read(self, stream, since):
        texts, reader = self._messages(), RecordReader()
        start = since.value["read"] if since is not None and not since.complete else 0
        while not self._runtime.stop.is_set():
            end = start + self._options.batch_rows
            position = Position({"read": end}, complete=end >= len(texts))
            yield self._batch(texts[start:end], start, position, reader)
            if position.complete:
                return
            start = end

    def sample(self, stream, rows):
        return self._batch(self._messages()[:rows], 0, Position({}, complete=False), RecordReader())

    def check(self):
        if not self._path.is_file():
            raise SourceRefused(f"there is no file {self._options.path}.", where=self._name, do="Correct `path`.")

    def close(self):
        pass

    def _messages(self):
        self.check()
        box = mailbox.mbox(self._path, create=False)
        try:
            return [_record(number, message) for number, message in box.items()]
        finally:
            box.close()

    def _batch(self, texts, start, position, reader):
        def origin(row):
            return f"{self._options.path}, message {start + row + 1}"

        read = reader.read(texts, origin)
        found = Provenance(raw=lambda row: texts[row].decode(), origin=origin)
        return Batch(rows=read.rows, position=position, rejected=read.rejected, provenance=found)


def _record(number, message):
    words = {"id": number, "from": message["From"], "subject": message["Subject"], "date": message["Date"]}
    return msgspec.json.encode({name: value if name == "id" else value and str(value) for name, value in words.items()})
