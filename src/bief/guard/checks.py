"""The checks of a stream: rules of the project file that rows and tables must keep.

Declared in `config.checks`, joined by `assemble`, asked by `run.guarding` three times for each batch: `each_row` after
the contract, `among_rows` once there is one row for each key, and `of_table` before a round is committed. Rows that a
check of severity `reject` finds go to the quarantine; `fail` raises `CheckFailed`; all are counted.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import pyarrow as pa

from bief.batches.arrow import Column, arrow
from bief.batches.batch import ROW_NUMBER, Provenance
from bief.batches.expressions import ExpressionError, Expressions
from bief.config.checks import CheckOptions, Severity, names_of
from bief.errors import CheckFailed
from bief.guard import rules
from bief.guard.contract import Fitted
from bief.guard.misfits import Misfit, Misfits
from bief.guard.references import Own, related, repeated
from bief.guard.rules import Broken
from bief.guard.table_rules import wrong_with_table
from bief.ports.destination import Loader

_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Check:
    """A check with its name and its severity."""

    name: str
    severity: Severity
    rule: CheckOptions


@dataclass(frozen=True)
class Finding:
    """What a check found. `examples` are the origins of the first rows that failed it.

    A check of the table counts 1 when it fails, and its example says how.
    """

    name: str
    severity: Severity
    rows_failed: int = 0
    examples: tuple[str, ...] = ()


Findings = tuple[Finding, ...]


def checks_of(declared: Sequence[CheckOptions]) -> tuple[Check, ...]:
    """The checks of a stream, in the order of the project file."""
    named = zip(names_of(declared), declared, strict=True)
    return tuple(Check(name, options.effective_severity, options) for name, options in named)


def summed(one: Findings, other: Findings) -> Findings:
    """What the same checks found in two batches, or in several."""
    more = {finding.name: finding for finding in other}
    known = {finding.name for finding in one}
    sums = [_plus(finding, more[finding.name]) if finding.name in more else finding for finding in one]
    return (*sums, *(finding for finding in other if finding.name not in known))


def _plus(one: Finding, other: Finding) -> Finding:
    examples = (*one.examples, *other.examples)[:_EXAMPLES]
    return replace(one, rows_failed=one.rows_failed + other.rows_failed, examples=examples)


class Checks:
    """The checks of one stream at work, in one thread. `findings` are those of the batch that was looked at last."""

    def __init__(self, checks: Sequence[Check], own: Own, tell: Callable[[Finding], None] = lambda _: None) -> None:
        self._checks = checks
        self._own = own
        self._tell = tell
        self._expressions = Expressions()
        self._origin: Callable[[int], str] = str
        self._found: dict[str, Finding] = {}

    @property
    def findings(self) -> Findings:
        return tuple(self._found.values())

    def begin(self, provenance: Provenance) -> None:
        """Another batch comes, or the same one again."""
        self._origin = provenance.origin
        self._found = {check.name: Finding(check.name, check.severity) for check in self._checks}

    def each_row(
        self, rows: pa.Table, known: Mapping[str, pa.DataType], loader: Loader | None
    ) -> tuple[pa.Table, list[Misfit]]:
        """The rows that keep every rule that a row can break by itself, and the others.

        `rows` have ROW_NUMBER; `known` are columns that they may lack, as they have no value in this batch. Without
        `loader`, relationships are not looked at. Raises `CheckFailed`.
        """
        if rows.num_rows == 0 or not self._checks:
            return rows, []
        asked, broken = _Columns(rows, known), dict[str, list[Broken]]()
        for check in self._checks:
            if not (check.rule.is_of_table or check.rule.unique or check.rule.relationship):
                with _named(check):
                    broken[check.name] = self._broken(check.rule, asked)
        gone = {
            place
            for check in self._checks
            for each in broken.get(check.name, ())
            for place in each.places
            if check.severity == "reject"
        }
        for check in self._checks:
            if check.rule.relationship and loader is not None:
                rule = check.rule.relationship
                with _named(check):
                    found = related(rule, rows, asked[rule.column], loader=loader, own=self._own, gone=gone)
                broken[check.name] = [found]
        return self._sorted_out(rows, broken)

    def among_rows(
        self, rows: pa.Table, known: Mapping[str, pa.DataType], loader: Loader | None
    ) -> tuple[pa.Table, list[Misfit]]:
        """The rows that repeat no other row, and the others. Parameters as of `each_row`; without `loader` the rows
        of the table do not count. Raises `CheckFailed`."""
        misfits = list[Misfit]()
        for check in self._checks:
            if check.rule.unique and rows.num_rows:
                with _named(check):
                    columns = _Columns(rows, known).table([*check.rule.unique, *self._own.identity])
                    found = repeated(check.rule.unique, columns, loader, self._own)
                rows, bad = self._sorted_out(rows, {check.name: [found]})
                misfits += bad
        return rows, misfits

    def of_table(self, loader: Loader, now: datetime) -> None:
        """Look at the table as it will be after the commit. Raises `CheckFailed`."""
        for check in self._checks:
            if check.rule.is_of_table:
                with _named(check):
                    reason = wrong_with_table(check.rule, loader, now)
                if reason:
                    self._find(Finding(check.name, check.severity, 1, (reason,)))
                    if check.severity == "fail":
                        raise _failed(check, reason)

    def _find(self, finding: Finding) -> None:
        self._found[finding.name] = finding
        self._tell(finding)

    def close(self) -> None:
        """Let go of what the checks use. Can be called twice."""
        self._expressions.close()

    def _broken(self, options: CheckOptions, columns: _Columns) -> list[Broken]:
        """The rows that break a rule of a row by itself, column by column."""
        if options.not_null:
            return [rules.not_null(columns[name], name) for name in options.not_null]
        if options.accepted_values:
            return [rules.accepted_values(options.accepted_values, columns[options.accepted_values.column])]
        if options.range:
            return [rules.in_range(options.range, columns[options.range.column])]
        if options.regex:
            return [rules.regex(options.regex, columns[options.regex.column])]
        text = options.expression or ""
        named = columns.named_in(options.columns)
        # A row is there even where the expression names no column of it.
        truth = self._expressions.truth(text, columns.table(list(named)) if named else columns.rows)
        return [rules.expression(text, truth, named)]

    def _sorted_out(self, rows: pa.Table, broken: Mapping[str, list[Broken]]) -> tuple[pa.Table, list[Misfit]]:
        """Count what was found, take the rows out that are to be rejected, and fail if a check says so."""
        bad = Misfits(rows)
        numbers: Column = rows.column(ROW_NUMBER)
        failed: CheckFailed | None = None
        for check in self._checks:
            each = [one for one in broken.get(check.name, ()) if one.places]
            places = sorted({place for one in each for place in one.places})
            if not places:
                continue
            origins = tuple(self._origin(numbers[place].as_py()) for place in places[:_EXAMPLES])
            self._find(Finding(check.name, check.severity, len(places), origins))
            if check.severity == "fail" and failed is None:
                first = next(one for one in each if places[0] in one.places)
                failed = _failed(check, f"{origins[0]}: {first.reasons(places[:1])[0]}", len(places))
            if check.severity == "reject":
                for one in each:
                    bad.add_places(one.places, one.column, check.name, one.reasons(one.places))
        if failed is not None:
            raise failed
        return bad.without(rows)[0], bad.found()


def looked_at(
    fitted: Fitted, checks: Sequence[Check], provenance: Provenance, known: Mapping[str, pa.DataType]
) -> tuple[pa.Table, list[Misfit]]:
    """A few rows for a preview, without those that a check would reject, or fail the load for.

    A check that cannot be made without the destination, or with the columns that these rows show, is left out.
    """
    rows, misfits = fitted.numbered, list[Misfit]()
    for check in checks:
        with closing(Checks([replace(check, severity="reject")], Own(""))) as at_work, suppress(CheckFailed):
            if check.severity != "warn":
                at_work.begin(provenance)
                rows, broken = at_work.each_row(rows, known, None)
                rows, repeats = at_work.among_rows(rows, known, None)
                misfits += [*broken, *repeats]
    return rows.drop_columns([ROW_NUMBER]), misfits


class _Columns:
    """The columns that checks may name: those of the rows, and without values those that the table has besides."""

    def __init__(self, rows: pa.Table, known: Mapping[str, pa.DataType]) -> None:
        self.rows = rows
        self._known = known

    def __getitem__(self, name: str) -> Column:
        if name in self.rows.column_names:
            return self.rows.column(name)
        if name in self._known:
            return arrow.chunked_array([arrow.nulls(self.rows.num_rows, self._known[name])])
        near = difflib.get_close_matches(name, self._names(), n=1)
        meant = f"Did you mean '{near[0]}'? " if near else ""
        raise CheckFailed(
            f"neither the table nor its new rows have a column '{name}'.",
            do=f"{meant}The columns are {', '.join(self._names())}. If the source has shown no value of it yet, "
            "declare its type under columns of the stream.",
        )

    def table(self, names: Sequence[str]) -> pa.Table:
        """Some columns, by name, with ROW_NUMBER."""
        found: pa.Table = arrow.table({name: self[name] for name in dict.fromkeys([*names, ROW_NUMBER])})
        return found

    def named_in(self, words: Sequence[str]) -> dict[str, Column]:
        """The columns among the words of an expression, as SQL finds them: in capitals or not."""
        by_word = {name.casefold(): name for name in reversed(self._names())}
        names = [by_word[word.casefold()] for word in words if word.casefold() in by_word]
        return {name: self[name] for name in names}

    def _names(self) -> list[str]:
        return [name for name in dict.fromkeys([*self.rows.column_names, *self._known]) if name != ROW_NUMBER]


@contextmanager
def _named(check: Check) -> Iterator[None]:
    """What goes wrong inside is said of that check."""
    try:
        yield
    except ExpressionError as error:
        do = "Correct the expression; a column whose name is a word of SQL stands in double quotes."
        raise CheckFailed(f"its expression {error}.", where=f"check '{check.name}'", do=do) from None
    except CheckFailed as error:
        raise CheckFailed(error.what, where=f"check '{check.name}'", do=error.do) from None


def _failed(check: Check, reason: str, rows: int = 1) -> CheckFailed:
    others = f" So do {rows - 1} more rows of this batch." if rows > 1 else ""
    return CheckFailed(
        f"it does not hold: {reason}.{others}",
        where=f"check '{check.name}'",
        do="Nothing of this load was committed. Correct the source, or give the check another severity.",
    )
