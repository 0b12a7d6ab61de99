"""The fast way from JSON records to columns: no record becomes a Python object.

Called by `batches.rows`. `NativeReader.read` gives None for a batch in which anything is odd; `batches.strict` reads
that one again. What makes this safe although pyarrow is lenient:

* msgspec looks at every record first: one JSON object of correct grammar, nested less than about a thousand levels
  (pyarrow crashes on a hundred thousand), no NaN. It does not look at UTF-8, so that is checked apart.
* pyarrow refuses duplicate keys, lone surrogates, 1e400 and members of more than one type.
* pyarrow takes texts for timestamps: such columns are read again as text, and the next batch knows.
* pyarrow reads large integers as floats: floats from 2^53 upwards are odd.
* pyarrow would fill up objects inside lists: lists are cut out of the records by msgspec, as they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa

from bief.batches.arrow import Column, arrow, arrow_json, pc
from bief.batches.casting import as_text, cast_column, unquoted
from bief.batches.columns import Columns, Path
from bief.batches.parsing import below_exact
from bief.batches.schema import FLOAT, INTEGER, JSON, TEXT

_BLOCK_BYTES: Final = 4 * 2**20
_SAMPLED_RECORDS: Final = 500
_NULL: Final = b"null"


class NativeReader:
    """Remembers, from one batch to the next, which columns are text and which must be cut out as they stand."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._hints: dict[Path, pa.DataType] = {}
        self._cutter = _cutter(())
        self._is_first = True

    def read(self, texts: Sequence[bytes]) -> dict[Path, Column] | None:
        """The columns of `texts`, or None if this batch needs the strict way."""
        pieces = self._checked(texts)
        joined = b"\n".join(texts)
        if pieces is None or not _is_utf8(joined):
            return None
        table = self._parsed(joined, texts)
        if table is None or table.num_rows != len(texts):
            return None
        leaves = dict(_leaves(table, self._columns))
        cut_out = tuple(path for path, column in leaves.items() if self._is_cut_out(path, column.type))
        if not set(cut_out) <= set(self._cutter.fields):
            try:
                self._cutter = _cutter(cut_out)
            except ValueError:
                # A key with a quote or a control character cannot be the name of a field.
                return None
            pieces = [self._cutter.decoder.decode(text) for text in texts]
        columns: dict[Path, Column] = {}
        for path, column in leaves.items():
            if path in cut_out:
                columns[path] = self._typed(path, self._cutter.cut(pieces, path))
            elif column.type == FLOAT and not below_exact(column):
                return None
            else:
                columns[path] = self._typed(path, column)
        return columns

    def _checked(self, texts: Sequence[bytes]) -> list[Any] | None:
        """The pieces that are cut out of each record; None if some text is not one JSON object."""
        for cutter in (self._cutter, _cutter(())):
            try:
                pieces = [cutter.decoder.decode(text) for text in texts]
            except msgspec.ValidationError:
                # An object is now something else: nothing to cut from there in this batch.
                continue
            except (msgspec.DecodeError, RecursionError):
                return None
            self._cutter = cutter
            return pieces
        return None

    def _parsed(self, joined: bytes, texts: Sequence[bytes]) -> Any:
        """The batch as pyarrow reads it, without timestamps; None if it refuses."""
        if self._is_first:
            # A few records tell nearly all text columns, so that the whole is seldom parsed twice.
            self._is_first = False
            sample = texts[:_SAMPLED_RECORDS]
            self._parsed(b"\n".join(sample), sample)
        options = arrow_json.ReadOptions(block_size=max(_BLOCK_BYTES, 2 * max(map(len, texts))))
        has_newlines = joined.count(b"\n") != len(texts) - 1
        hints = dict(self._hints)
        table = _parse(joined, hints, options, has_newlines=has_newlines)
        if table is None and hints:
            hints = {}
            table = _parse(joined, hints, options, has_newlines=has_newlines)
        if table is None:
            return None
        leaves = dict(_leaves(table, self._columns))
        filled = [path for path, column in leaves.items() if column.null_count < len(column)]
        # Blocks are parsed in threads, which give new columns an order by chance.
        self._columns.learn(sorted(filled) if len(joined) > options.block_size else filled)
        as_texts = {path: TEXT for path, column in leaves.items() if pa.types.is_timestamp(column.type)}
        decimals = {path: to for path, column in leaves.items() if (to := self._decimal(path, column.type)) is not None}
        if as_texts or decimals:
            table = None
            if decimals:
                table = _parse(joined, hints | as_texts | decimals, options, has_newlines=has_newlines)
                hints |= decimals if table is not None else {}
            hints |= as_texts
            table = table or _parse(joined, hints, options, has_newlines=has_newlines)
        self._hints = hints
        return table

    def _decimal(self, path: Path, arrow_type: pa.DataType) -> pa.DataType | None:
        """The declared decimal type of a column that was read as float."""
        declared = self._columns.declared(path) if arrow_type == FLOAT else None
        return declared if declared is not None and pa.types.is_decimal(declared) else None

    def _is_cut_out(self, path: Path, arrow_type: pa.DataType) -> bool:
        declared = self._columns.declared(path)
        if pa.types.is_list(arrow_type) or declared == JSON:
            return True
        if declared == TEXT:
            return arrow_type != TEXT
        return declared is not None and pa.types.is_decimal(declared) and arrow_type == FLOAT

    def _typed(self, path: Path, column: Column) -> Column:
        """The column in its declared type, as far as that is the reader's work."""
        declared = self._columns.declared(path)
        if declared == TEXT:
            return unquoted(column) if column.type == JSON else column
        if declared is None or not pa.types.is_decimal(declared):
            return column
        if column.type == JSON and pc.any(pc.starts_with(column.cast(TEXT), "[")).as_py():
            return column
        if column.type in {INTEGER, TEXT, JSON}:
            return decimal_or_text(unquoted(column) if column.type == JSON else as_text(column), declared)
        return column


def decimal_or_text(texts: Column, to: pa.DataType) -> Column:
    """Numbers in text as decimals if all of them fit; else as they are, for the contract to say which do not."""
    column, misfits = cast_column(texts, to)
    return texts if pc.any(misfits).as_py() else column


@dataclass(frozen=True)
class _Cutter:
    """Decodes of a record only the fields at some paths, each as its raw text."""

    decoder: msgspec.json.Decoder[Any]
    fields: Mapping[Path, tuple[str, ...]]

    def cut(self, pieces: Sequence[Any], path: Path) -> Column:
        """The column of raw JSON texts at `path`."""
        *parents, last = self.fields[path]
        for parent in parents:
            pieces = [None if piece is None else getattr(piece, parent) for piece in pieces]
        raws = [None if piece is None else bytes(getattr(piece, last)) for piece in pieces]
        column = arrow.chunked_array([arrow.array(raws, arrow.binary())])
        return pc.if_else(pc.equal(column, _NULL), arrow.scalar(None, arrow.binary()), column).cast(TEXT).cast(JSON)


def _cutter(paths: Iterable[Path]) -> _Cutter:
    """Raises ValueError if a key cannot be the name of a field."""
    fields: dict[Path, tuple[str, ...]] = {}
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = None
    struct = _struct(tree, (), (), fields)
    return _Cutter(msgspec.json.Decoder(struct), fields)


def _struct(tree: Mapping[str, Any], path: Path, names: tuple[str, ...], fields: dict[Path, tuple[str, ...]]) -> Any:
    members: list[tuple[str, Any, Any]] = []
    keys: dict[str, str] = {}
    for number, (key, below) in enumerate(tree.items()):
        name = f"f{number}"
        keys[name] = key
        if below is None:
            fields[*path, key] = (*names, name)
            members.append((name, msgspec.Raw, msgspec.Raw(_NULL)))
        else:
            inner = _struct(below, (*path, key), (*names, name), fields)
            members.append((name, inner | None, None))
    return msgspec.defstruct("Piece", members, rename=keys, gc=False)


def _parse(joined: bytes, hints: Mapping[Path, pa.DataType], options: Any, *, has_newlines: bool) -> Any:
    try:
        return arrow_json.read_json(
            pa.BufferReader(joined),
            read_options=options,
            parse_options=arrow_json.ParseOptions(
                explicit_schema=_schema(hints) if hints else None,
                newlines_in_values=has_newlines,
                unexpected_field_behavior="infer",
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        return None


def _schema(hints: Mapping[Path, pa.DataType]) -> Any:
    tree: dict[str, Any] = {}
    for path, arrow_type in hints.items():
        node = tree
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = arrow_type
    return arrow.schema([(key, _hinted(below)) for key, below in tree.items()])


def _hinted(tree: Any) -> Any:
    if isinstance(tree, pa.DataType):
        return tree
    return arrow.struct([(key, _hinted(below)) for key, below in tree.items()])


def _leaves(table: pa.Table, columns: Columns) -> Iterable[tuple[Path, Column]]:
    """Each column that is not an object, with its path, parents before children."""
    for name in table.column_names:
        waiting: list[tuple[Path, Column]] = [((name,), table.column(name))]
        while waiting:
            path, column = waiting.pop()
            if not pa.types.is_struct(column.type) or columns.is_whole(path):
                yield path, column
                continue
            members = [(member.name, place) for place, member in enumerate(column.type)]
            waiting.extend(((*path, key), pc.struct_field(column, [place])) for key, place in reversed(members))


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
