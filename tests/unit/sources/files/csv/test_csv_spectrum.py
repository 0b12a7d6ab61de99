"""The files of csv-spectrum, all of them: what each means is written beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from csv_files import read

from bief.base.names import column_name
from bief.batches.schema import TEXT

FOLDER = Path(__file__).parents[4] / "data" / "csv-spectrum"
CASES = sorted(path.stem for path in (FOLDER / "csvs").glob("*.csv"))


def meaning(case):
    """The records of a file, as its JSON says."""
    meant = json.loads((FOLDER / "json" / f"{case}.json").read_text("utf-8"))
    if case == "location_coordinates":
        # This JSON is one object, and has another telephone number than its CSV, in csv-spectrum itself.
        return [{**meant, "Contact Phone Number": "2095257564"}]
    return meant


def test_all_twelve_are_here():
    assert len(CASES) == 12


@pytest.mark.parametrize("block_bytes", [1, 7, 4096])
@pytest.mark.parametrize("case", CASES)
def test_a_file_of_csv_spectrum_is_read_as_it_says(case, block_bytes):
    expected = meaning(case)
    texts = {column_name(name): TEXT for name in expected[0]}
    rows, rejected = read((FOLDER / "csvs" / f"{case}.csv").read_bytes(), declared=texts, block_bytes=block_bytes)

    assert rows.to_pylist() == expected
    assert rejected == []
