"""The promises of every source, asked of this one; then what only this one does."""

import mailbox

import pytest
from bief_mbox import MboxSource

from bief.errors import SourceRefused
from bief.ports.runtime import Runtime
from bief.testing import CANARY, Offer
from bief.testing.source_suite import *  # noqa: F403 - the tests


@pytest.fixture
def runtime(tmp_path):
    made = Runtime(folder=tmp_path)
    made.redactor.learn(CANARY)
    return made


@pytest.fixture
def offer(runtime):
    box = mailbox.mbox(runtime.folder / "inbox.mbox")
    for number in range(12):
        box.add(f"From: somebody@example.com\nSubject: number {number}\n\ntext\n")
    box.close()
    options = MboxSource.Options.model_validate({"type": "mbox", "path": "inbox.mbox", "batch_rows": 5})
    return Offer(MboxSource("mail", options, runtime), "messages", range(12))


def test_a_missing_file_is_an_error(offer, runtime):
    (runtime.folder / "inbox.mbox").unlink()
    with pytest.raises(SourceRefused, match="there is no file"):
        offer.source.check()
