"""A Python file of the project as a source. Found by `ports.registry`, read by `bief.run`.

The road of a read: the function's items → `items` (each encoded) → `collecting` (batches) → `reading` (positions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from bief.batches.batch import Batch, Position
from bief.errors import Problem, ProjectError
from bief.ports.runtime import Runtime
from bief.ports.source import Stream
from bief.sources.python.calling import Caller
from bief.sources.python.decorations import Decoration, decorations
from bief.sources.python.importing import Code
from bief.sources.python.options import PythonOptions, PythonStream
from bief.sources.python.reading import Place, Reading, column_of


class PythonSource:
    """One file. Its functions are called in the threads that read their streams."""

    Options: ClassVar[type[PythonOptions]] = PythonOptions
    kind: ClassVar[str] = "python"

    def __init__(self, name: str, options: PythonOptions, runtime: Runtime) -> None:
        path = _inside(runtime.folder, name, options.file)
        self._name = name
        self._options = options
        self._runtime = runtime
        self._streams = _streams(name, options, decorations(path, options.file))
        self._code = Code(path)

    def streams(self) -> Sequence[Stream]:
        return [
            Stream(
                name=name,
                primary_key=tuple(_table_name(stream, key) for key in stream.primary_key),
                cursor=None if stream.cursor is None else _table_name(stream, stream.cursor),
                incremental=stream.cursor is not None,
                shape=stream.shape(),
                caveats=_caveats(stream),
            )
            for name, stream in self._streams.items()
        ]

    def read(self, stream: str, since: Position | None) -> Iterator[Batch]:
        return self._reading(stream).batches(since)

    def sample(self, stream: str, rows: int) -> Batch:
        return self._reading(stream).sample(rows)

    def check(self) -> None:
        for name in self._streams:
            reading = self._reading(name)
            with reading.caller.blamed():
                reading.arguments(reading.function(), Place())

    def close(self) -> None:
        """Nothing is held."""

    def _reading(self, name: str) -> Reading:
        stream = self._streams[name]
        caller = Caller(self._name, name, self._runtime)
        return Reading(
            self._function(str(stream.function), caller), stream, caller, self._options.options, self._options.secrets
        )

    def _function(self, name: str, caller: Caller) -> Callable[[], Callable[..., Any]]:
        def found() -> Callable[..., Any]:
            function = getattr(self._code.module(), name, None)
            if not callable(function):
                what = f"{self._options.file} has no function '{name}'."
                raise caller.misread(what, "Write it, or name another one with `function`.")
            asked: Callable[..., Any] = function
            return asked

        return found


def _inside(folder: Path, name: str, file: str) -> Path:
    """The path of the file. Raises ProjectError if it is not in the project folder, or not there."""
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise _wrong(f"sources.{name}.file: '{file}' is outside of the project folder.", "Move it into the folder.")
    if not path.is_file():
        raise _wrong(f"sources.{name}.file: there is no file '{file}' in the project folder.", "Write it.")
    return path


def _streams(name: str, options: PythonOptions, decorated: Mapping[str, Decoration]) -> dict[str, PythonStream]:
    """All streams, each with its function and what the decorator says where the project file does not."""
    written = options.streams
    if written is None:
        written = {function: PythonStream() for function in decorated}
    if not written:
        do = "Put @bief.source above a function, or name the functions under `streams`."
        raise _wrong(f"sources.{name}: {options.file} declares no stream.", do)
    return {stream: _merged(stream, given, decorated, options.file) for stream, given in written.items()}


def _merged(name: str, given: PythonStream, decorated: Mapping[str, Decoration], file: str) -> PythonStream:
    function = given.function or name
    declared = decorated.get(function)
    arguments = dict(declared.arguments) if declared else {}
    columns = {**(arguments.pop("columns", None) or {}), **given.columns}
    said = {key: getattr(given, key) for key in given.model_fields_set}
    try:
        return PythonStream.model_validate({**arguments, **said, "function": function, "columns": columns})
    except ValidationError as error:
        line = declared.line if declared else None
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ProjectError([Problem(file, line, f"@bief.source of {function}: {place}: {first['msg']}.")]) from None


def _table_name(stream: PythonStream, field: str) -> str:
    """The column of a field, after renaming."""
    column = column_of(field)
    rule = stream.columns.get(column)
    return rule.rename if rule is not None and rule.rename else column


def _caveats(stream: PythonStream) -> tuple[str, ...]:
    if stream.cursor is None:
        return ()
    return (f"a row that the function does not give again from its `{stream.cursor}` on is not seen",)


def _wrong(what: str, do: str) -> ProjectError:
    return ProjectError([Problem("bief.yaml", None, what, do)])
