"""The pages of the guide, run from top to bottom as they stand, each on a server of its own."""

import shutil

import pytest

from daemon import free_address
from guide import PAGES, RUN, SHOWN, Reader, blocks

ALL = sorted(PAGES.glob("*.md"))


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_a_page_runs_from_top_to_bottom(page, make_daemon, tmp_path):
    wanted = [block for block in blocks(page) if block.is_run or block.note.startswith("file:")]
    if not wanted:
        return
    if any("kcat " in block.text for block in wanted) and not shutil.which("kcat"):
        pytest.skip("kcat is not installed")
    starts_its_own = any(block.note == "background" for block in wanted)
    daemon = None if starts_its_own else make_daemon().start()
    reader = Reader(tmp_path, *((free_address(), free_address()) if starts_its_own else (daemon.kafka, daemon.http)))
    try:
        for block in wanted:
            try:
                reader.run(block)
            except AssertionError as failure:
                raise AssertionError(f"{page.name}:{block.line}\n{block.text}\n{failure}") from None
    finally:
        reader.close()
    assert daemon is None or daemon.stop() == 0


def test_what_is_not_run_says_why():
    found = [block for page in ALL for block in blocks(page)]
    assert {block.language for block in found} <= RUN | SHOWN
    left_out = [block for block in found if block.language in RUN and not block.is_run]
    assert all(len(block.note.removeprefix("not run:").strip()) > 10 for block in left_out)
    assert len([block for block in found if block.is_run]) > 4 * len(left_out), "most of the guide is run"
