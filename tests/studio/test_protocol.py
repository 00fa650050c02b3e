"""What page and trainer tell each other, and what comes of nonsense."""

import json
import os
import time

import pytest

from simulacra.studio.protocol import (
    WATCHED,
    Control,
    Standing,
    change_control,
    control_path,
    read_control,
    read_standing,
    step_once,
    watch,
    watched,
    write_standing,
)


def test_what_is_not_named_stays_and_every_change_has_a_number(tmp_path):
    assert read_control(tmp_path) is None
    assert change_control(tmp_path, delay=0.5) == Control(delay=0.5, number=1)
    assert change_control(tmp_path, state="pause") == Control(state="pause", delay=0.5, number=2)
    assert read_control(tmp_path) == Control(state="pause", delay=0.5, number=2)


def test_a_step_is_a_counter_that_only_grows(tmp_path):
    for taken, player in ((1, None), (2, "generator"), (3, None)):
        assert step_once(tmp_path, player).steps == taken
        assert read_control(tmp_path).player == player
        assert read_control(tmp_path).state == "pause"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"state": "explode"}', '{"steps": -1}', '{"delay": 1e9}', '{"player": [1]}', '{"number": "x"}'],
)
def test_nonsense_is_nothing_said(tmp_path, text):
    control_path(tmp_path).write_text(text)
    assert read_control(tmp_path) is None


def test_fields_of_a_newer_version_are_passed_over(tmp_path):
    control_path(tmp_path).write_text(json.dumps({"state": "pause", "colour": "red"}))
    assert read_control(tmp_path) == Control(state="pause")


def test_a_layer_is_watched_for_some_seconds_after_it_was_touched(tmp_path):
    assert watched(tmp_path) == set()
    (tmp_path / "frames").mkdir()
    watch(tmp_path, ["ema", "best"])
    assert watched(tmp_path) == {"ema", "best"}
    past = time.time() - WATCHED - 1
    os.utime(tmp_path / "frames" / "watched" / "ema", (past, past))
    assert watched(tmp_path) == {"best"}


def test_a_trainer_is_alive_while_its_process_is_there_and_speaks(tmp_path):
    write_standing(tmp_path, Standing(phase="playing", step=7))
    found = read_standing(tmp_path)
    assert (found.step, found.pid, found.alive) == (7, os.getpid(), True)
    here, now = os.getpid(), time.time()
    assert not Standing(phase="ended", pid=here, time=now).alive
    assert not Standing(phase="playing", pid=here, time=now - 60).alive
    assert Standing(phase="judging", pid=here, time=now - 60).alive
    assert not Standing(phase="playing", pid=2**22 + 1, time=now).alive  # beyond the largest process number of Linux
    (tmp_path / "frames" / "now.json").write_text('{"phase": "playing", "step": NaN}')
    assert read_standing(tmp_path) is None
