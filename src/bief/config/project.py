"""The project file as models: closed, frozen, every key explained where it is read.

Made by `loading`, used by `assemble`. A source or a destination is kept here as its `type` and a mapping: its own
connector reads the rest. Checks that need nothing but this file are at the end; `loading` calls them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from bief.base.secrets import Secret
from bief.config.checks import CheckOptions, Contract
from bief.config.closed import Closed
from bief.config.document import Keys
from bief.config.raw import KeepRaw

NAME_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_-]{0,62}\Z"
TABLE_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,62}\Z"
_PERCENT: Final = re.compile(r"(?P<number>[0-9]{1,3}(\.[0-9]{1,6})?)\s*%")


def _name(value: str) -> str:
    if not re.fullmatch(NAME_PATTERN, value):
        raise PydanticCustomError(
            "name", "must be a name: 1 to 63 letters, digits, '_' or '-', beginning with a letter"
        )
    return value


def _table(value: str) -> str:
    if not re.fullmatch(TABLE_PATTERN, value):
        raise PydanticCustomError("name", "must be the name of a table: 1 to 63 letters, digits or '_', no digit first")
    return value


def _allowance(value: Any) -> Any:
    """The text or number of `max_rejected`, checked but not yet read."""
    if isinstance(value, str) and (percent := _PERCENT.fullmatch(value)) and Decimal(percent["number"]) <= 100:  # noqa: PLR2004
        return value
    if isinstance(value, str) and re.fullmatch("0|[1-9][0-9]{0,17}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise PydanticCustomError("allowance", 'must be a number of rows, such as 100, or a share, such as "1%"')


Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": "^[A-Za-z][A-Za-z0-9_-]{0,62}$"})]
Table = Annotated[str, AfterValidator(_table), Field(json_schema_extra={"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,62}$"})]
Mode = Literal["append", "replace", "merge", "history"]
MaxRejected = Annotated[
    str | int,
    BeforeValidator(_allowance, json_schema_input_type=str | Annotated[int, Field(ge=0)]),
    Field(examples=["1%", "0.5%", 100, 0]),
]


class Connection(BaseModel):
    """A source or a destination: its `type`, and the options that this type of connector reads."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    type: str = Field(min_length=1, max_length=63, examples=["rest", "postgres"])
    """The kind of connector; it decides which other keys are allowed."""

    @property
    def options(self) -> dict[str, Any]:
        """All keys but `type`, not yet validated."""
        return dict(self.model_extra or {})

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        # The options hold secrets as plain text until the connector's own model has read them.
        yield "type", self.type


class PipelineStream(Closed):
    """What one stream of a pipeline does differently from the others."""

    mode: Mode | None = None
    """How rows get into this table; the pipeline's mode if it is not given."""
    table: Table | None = Field(default=None, examples=["customers"])
    """The table in the destination; the name of the stream if it is not given."""
    max_rejected: MaxRejected | None = None
    """How many bad rows this stream may have before its load fails; the pipeline's number if it is not given."""
    allow_empty: bool | None = None
    """Whether an empty answer may replace a table that has rows; as in the pipeline if it is not given."""
    keep_raw: bool | None = None
    """Whether raw data of this stream is kept; as in the pipeline if it is not given."""
    contract: Contract | None = None
    """What happens to rows that do not fit this table; as in the pipeline if it is not given."""


def _named_once(value: list[CheckOptions]) -> list[CheckOptions]:
    names = [check.name for check in value if check.name]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise PydanticCustomError("repeated", "names {names} more than once", {"names": ", ".join(repeated)})
    return value


def _by_name(value: Any) -> Any:
    """A list of stream names as a mapping; a stream without a word after its colon as an empty one."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        if repeated := sorted({item for item in value if value.count(item) > 1}):
            raise PydanticCustomError("repeated", "names {names} more than once", {"names": ", ".join(repeated)})
        return {item: {} for item in value}
    if isinstance(value, dict):
        return {name: {} if options is None else options for name, options in value.items()}
    if value is not None:
        raise PydanticCustomError("streams", "must be a list of stream names, or a mapping from names to options")
    return value


class Pipeline(Closed):
    """Carries the streams of one source into one destination."""

    source: str = Field(examples=["pennylane"])
    """The name of a source of this file."""
    destination: str = Field(examples=["warehouse"])
    """The name of a destination of this file."""
    mode: Mode = "merge"
    """How rows get into the tables. `append` adds them, `replace` puts the new table in the place of the old one when
    it is complete, `merge` updates rows by their primary key, `history` keeps every version of a row."""
    streams: Annotated[
        dict[str, PipelineStream] | None,
        BeforeValidator(_by_name, json_schema_input_type=list[str] | dict[str, PipelineStream | None] | None),
    ] = Field(default=None, min_length=1, examples=[["customers", "invoices"], {"customers": {"mode": "replace"}}])
    """The streams to load: a list of names, or a mapping from names to what is different for them. All streams of the
    source if it is not given."""
    max_rejected: MaxRejected = "1%"
    """How many bad rows a stream may have before its load fails: a number of rows, or a share of the rows read. Bad
    rows are kept in the quarantine with the reason. The default, 1 %, tells a few bad rows from a broken source."""
    parallel_streams: int = Field(default=4, ge=1, le=32, examples=[4])
    """Streams read at the same time, at most. The source's rate limit is kept whatever this number is."""
    allow_empty: bool = False
    """Whether an empty answer may replace a table that has rows (mode `replace`). Off, because an empty answer is more
    often a fault of the source than the truth."""

    contract: Contract = "evolve"
    """What happens to rows that do not fit their table. `evolve`: new columns are added, types widen where nothing is
    lost, and rows that still do not fit go to the quarantine. `freeze`: the table never changes, and whatever does not
    fit fails the load. `divert`: the table never changes, and rows that do not fit go to the quarantine."""
    checks: dict[str, Annotated[list[CheckOptions], AfterValidator(_named_once)]] = Field(
        default={}, examples=[{"customers": [{"not_null": ["id", "email"]}, {"unique": ["id"]}]}]
    )
    """Rules that rows must keep, by the name of their stream (docs/checks.md)."""

    keep_raw: bool | KeepRaw = Field(default=False, examples=[True, {"runs": 10}])
    """Keep what is read as it came, under `.bief/raw`, so that `bief run --from-raw` can load it again without the
    source (docs/raw-zone.md)."""

    def keeps_raw(self, stream: str) -> bool:
        """Whether raw data of a stream is kept."""
        options = (self.streams or {}).get(stream)
        return bool(self.keep_raw) if options is None or options.keep_raw is None else options.keep_raw

    @property
    def raw(self) -> KeepRaw:
        """How raw data is kept, if it is."""
        return self.keep_raw if isinstance(self.keep_raw, KeepRaw) else KeepRaw()

    def table_of(self, stream: str) -> str:
        """The table that this file names for a stream, or else the name of the stream."""
        options = (self.streams or {}).get(stream)
        return (options and options.table) or stream

    def mode_of(self, stream: str) -> Mode:
        """The mode of a stream: its own, or else the pipeline's."""
        options = (self.streams or {}).get(stream)
        return (options and options.mode) or self.mode

    def allows_empty(self, stream: str) -> bool:
        """Whether an empty answer may replace the table of this stream."""
        options = (self.streams or {}).get(stream)
        return self.allow_empty if options is None or options.allow_empty is None else options.allow_empty

    def contract_of(self, stream: str) -> Contract:
        """The contract of a stream: its own, or else the pipeline's."""
        options = (self.streams or {}).get(stream)
        return (options and options.contract) or self.contract

    def max_rejected_of(self, stream: str) -> str | int:
        """How many rows of this stream may be rejected: a number, or a share with its `%`."""
        options = (self.streams or {}).get(stream)
        return self.max_rejected if options is None or options.max_rejected is None else options.max_rejected


class StateOptions(Closed):
    """Where Bief keeps the history of runs and the leases."""

    url: Secret = Field(examples=["${BIEF_STATE_URL}", "postgresql://bief:password@db.example.com/bief"])
    """A PostgreSQL URL. Without `state`, the file `.bief/state.db` in the project folder is used."""


class Project(Closed):
    """A project: where data comes from, where it goes, and which goes where."""

    project: Name = Field(examples=["shop"])
    """The name of the project: letters, digits, `_` and `-`."""
    sources: dict[Name, Connection] = Field(min_length=1)
    """Where data comes from, by a name of your choice."""
    destinations: dict[Name, Connection] = Field(min_length=1)
    """Where data goes, by a name of your choice."""
    pipelines: dict[Name, Pipeline] = Field(min_length=1)
    """Which source goes to which destination, and how, by a name of your choice."""
    state: StateOptions | None = None
    """Where the history of runs is kept, if several machines run this project."""


Finding = tuple[Keys, str, str]
"""Something wrong with the project as a whole: where, what, and what to do."""


def contradictions(project: Project) -> Iterator[Finding]:
    """Everything that only shows when the parts of the file are compared with each other."""
    for section, names in (
        ("sources", project.sources),
        ("destinations", project.destinations),
        ("pipelines", project.pipelines),
    ):
        yield from _equal_but_for_case(section, names)
    for name, pipeline in project.pipelines.items():
        yield from _unknown(("pipelines", name, "source"), pipeline.source, "source", project.sources)
        yield from _unknown(
            ("pipelines", name, "destination"), pipeline.destination, "destination", project.destinations
        )
    yield from _shared_tables(project)


def _equal_but_for_case(section: str, names: Iterable[str]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(name.casefold(), name)
        if first != name:
            what = f"the names '{first}' and '{name}' in {section} differ only by upper and lower case."
            yield (section, name), what, "Rename one of them."


def _unknown(keys: Keys, name: str, role: str, known: Iterable[str]) -> Iterator[Finding]:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"Did you mean '{near[0]}'? " if near else ""
        yield keys, f"there is no {role} named '{name}'.", f"{meant}This file has: {', '.join(known)}."


def _declared(project: Project, pipeline: Pipeline) -> list[str]:
    """The streams of the pipeline's source, as far as the file shows them."""
    source = project.sources.get(pipeline.source)
    streams = source.options.get("streams") if source else None
    return [str(name) for name in streams] if isinstance(streams, dict) else []


def _shared_tables(project: Project) -> Iterator[Finding]:
    taken: dict[tuple[str, str], tuple[str, str]] = {}
    for name, pipeline in project.pipelines.items():
        for stream in pipeline.streams or _declared(project, pipeline):
            table = pipeline.table_of(stream)
            first = taken.setdefault((pipeline.destination, table.casefold()), (name, stream))
            if first != (name, stream):
                pair, where = (
                    f"'{first[0]}.{first[1]}' and '{name}.{stream}'",
                    f"the destination '{pipeline.destination}'",
                )
                what = f"{pair} both load the table '{table}' of {where}."
                do = f"Give one of them another table (streams: {{{stream}: {{table: other_name}}}})."
                yield ("pipelines", name, "streams", stream), what, do
