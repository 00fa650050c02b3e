"""The Run folder: whole or not there, resumable, and plain about what is damaged."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import simulacra as sim
from simulacra import files, recording
from simulacra.config import FAMILIES
from simulacra.engines import memory, pytorch
from simulacra.errors import DivergedError, SimulacraError
from simulacra.recording import snapshot_steps
from simulacra.run import FORMAT, Run
from simulacra.synthesizer import SYNTHESIZERS, open_run, resume_run

KEYS = {"format", "version", "versions", "family", "options", "data", "space", "codec", "command", "created", "device",
        "num_parameters"}  # fmt: skip


def fit(family, data, tiny, out=None, progress=None, **options):
    return SYNTHESIZERS[family](**tiny(family, **options)).fit(data, out=out, progress=progress)


def stop_at(step):
    def progress(now, config):
        if now.step == step:
            signal.raise_signal(signal.SIGINT)

    return progress


@pytest.fixture(scope="module")
def source(tmp_path_factory, cloud):
    path = tmp_path_factory.mktemp("data") / "cloud.npy"
    np.save(path, cloud)
    return str(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, source, tiny):
    """A finished run; copy it before changing anything."""
    path = tmp_path_factory.mktemp("runs") / "finished"
    fit("gan", source, tiny, out=path)
    return path


@pytest.fixture
def copy(finished, tmp_path):
    return Run(finished).copy_to(tmp_path / "copy").path


def left(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


def assert_same_files(one, other):
    """Weights, averages, optimisers, snapshots and events, but for the seconds that went by."""
    assert left(one) == left(other)
    for name in ("model.safetensors", "state/checkpoint.safetensors"):
        a, b = load_file(one / name), load_file(other / name)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a), name
    for a, b in zip(Run(one).snapshots(), Run(other).snapshots(), strict=True):
        assert a.step == b.step
        assert np.array_equal(a.values, b.values)


# --- what is in it ----------------------------------------------------------------------------------------------


def test_a_run_holds_what_it_says(finished):
    run = Run(finished)
    samples = [f"samples/{step:08d}.npz" for step in (0, 10, 20)]
    state = ["state/checkpoint.safetensors", "state/status.json"]
    assert left(finished) == ["config.json", "events.jsonl", "model.safetensors", *samples, *state]
    assert set(run.config) >= KEYS
    assert run.config["format"] == FORMAT
    assert run.config["versions"].keys() == {"python", "torch", "numpy", "simulacra"}
    assert run.status == "finished"
    assert run.evaluation() is None


def test_no_path_of_a_temporary_file_stays(finished):
    assert not list(finished.rglob(".*"))


def test_events_are_means_since_the_one_before(source, tiny, tmp_path):
    losses = []
    model = fit("vae", source, tiny, out=tmp_path / "run", steps=120,
                progress=lambda p, c: losses.append(float(p.logs["vae/loss"])))  # fmt: skip
    events = model.run_.events()
    assert [event["step"] for event in events] == [1, 50, 100, 120]
    for event, start in zip(events, [0, 1, 50, 100], strict=True):
        assert event["vae/loss"] == pytest.approx(np.mean(losses[start : event["step"]]), rel=1e-4)
        assert event["fraction"] == pytest.approx(event["step"] / 120)
        assert event["rate"] > 0
        assert all("/" in key for key in event if key not in ("step", "elapsed", "fraction", "rate"))


def test_snapshots_are_about_evenly_spaced_in_log_steps():
    steps = snapshot_steps()
    found = [next(steps) for _ in range(9)]
    assert found == [10, 20, 50, 100, 200, 500, 1000, 2000, 5000]


def test_snapshots_are_drawn_from_the_same_latents(finished):
    model = open_run(finished)
    last = Run(finished).snapshots()[-1]
    assert last.step == 20
    np.testing.assert_allclose(last.values, model.sample(len(last.values), seed=model.config_.seed), rtol=1e-5)


@pytest.mark.parametrize("engine", ["torch", "numpy"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_snapshot_shows_the_weights_as_they_are_beside_their_average(family, engine, source, tiny, tmp_path):
    options = {"engine": engine, "lr": 0.02, "ema_decay": 0.99}
    model = fit(family, source, tiny, out=tmp_path / "run", **options)
    start, middle, last = model.run_.snapshots()
    assert start.raw is None  # the average starts at the weights
    assert len(middle.raw) == len(last.raw) == recording.RAW_SIZES["points"] < len(last.values)
    # without an average the same steps end at the same weights, which samples are then drawn with
    plain = fit(family, source, tiny, **{**options, "ema_decay": 0.0})
    assert plain.run_.snapshots()[-1].raw is None
    if family != "vae":  # whose mixture is fitted, for raw samples to a part of the data
        np.testing.assert_allclose(last.raw, plain.sample(len(last.raw), seed=0), rtol=1e-4, atol=1e-5)
    shift = np.abs(last.raw - last.values[: len(last.raw)]).mean()
    assert shift > 0.01


def test_a_snapshot_from_before_raw_weights_were_shown_opens(copy):
    for path in (copy / "samples").glob("*.npz"):
        with np.load(path) as archive:
            values = archive["values"]
        np.savez_compressed(path, values=values)
    found = Run(copy).snapshots()
    assert [snapshot.raw for snapshot in found] == [None] * 3
    assert all(len(snapshot.values) == recording.SNAPSHOT_SIZES["points"] for snapshot in found)


def test_the_average_of_batch_norm_is_that_of_what_it_has_seen():
    from simulacra.config import TrainingConfig
    from simulacra.train import Training

    class Normed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(2)

        def players(self):
            return {"normed": self}

    training = Training.begin(Normed(), TrainingConfig())
    family, ema = training.modules
    for decay, step in ((0.0, 1), (0.5, 100)):
        before = ema.norm.running_var.clone()
        family.norm(torch.randn(50, 2) * 3 + 1)
        training.step = step
        training.update_ema(decay)
        expected = decay * before + (1 - decay) * family.norm.running_var
        torch.testing.assert_close(ema.norm.running_var, expected)


def test_an_evaluation_is_kept_and_nan_becomes_null(copy):
    Run(copy).save_evaluation({"a": float("nan"), "b": [1.5, float("inf")]})
    assert Run(copy).evaluation() == {"a": None, "b": [1.5, None]}


def test_a_nan_in_an_event_is_null(copy):
    Run(copy).append_event({"step": 21, "loss": float("nan")})
    assert Run(copy).events()[-1] == {"step": 21, "loss": None}


# --- resuming ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_an_interrupted_run_resumes_to_the_same_files_bit_for_bit(family, source, tiny, tmp_path):
    fit(family, source, tiny, out=tmp_path / "whole", steps=60)
    with pytest.raises(KeyboardInterrupt):
        fit(family, source, tiny, out=tmp_path / "parts", steps=60, progress=stop_at(27))
    run = Run(tmp_path / "parts")
    assert run.status == "interrupted"
    assert run.events()[-1]["step"] == 27
    assert open_run(run.path).sample(3).shape == (3, 2)
    (run.path / "samples" / "00000027.npz").unlink()  # the picture of where it stopped, which the other did not
    resumed = resume_run(run.path)
    assert run.status == "finished"
    assert_same_files(tmp_path / "whole", tmp_path / "parts")
    assert np.array_equal(resumed.sample(50), open_run(tmp_path / "whole").sample(50))


def test_a_resumed_run_forgets_what_a_killed_one_wrote_after_its_checkpoint(source, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "LOG_EVERY", 5)
    fit("gan", source, tiny, out=tmp_path / "whole", steps=60)

    class Killed(BaseException):
        pass

    def kill(progress, config):
        if progress.step == 23:
            raise Killed

    monkeypatch.setattr(recording.Run, "save_status", lambda self, status, **k: None if status == "interrupted" else
                        files.write_json(self.path / "state" / "status.json", {"status": status, **k}))  # fmt: skip
    real = pytorch.save_checkpoint
    monkeypatch.setattr(
        pytorch, "save_checkpoint", lambda path, training: None if training.step == 23 else real(path, training)
    )
    with pytest.raises(Killed):
        fit("gan", source, tiny, out=tmp_path / "parts", steps=60, progress=kill)
    run = Run(tmp_path / "parts")
    assert run.events()[-1]["step"] > 0
    with open(run.path / "events.jsonl", "a") as file:
        file.write('{"step": 24, "gen')  # cut in the middle of a line
    resume_run(run.path)
    assert_same_files(tmp_path / "whole", tmp_path / "parts")
    steps = [event["step"] for event in run.events()]
    assert steps == sorted(set(steps)) == [event["step"] for event in Run(tmp_path / "whole").events()]


SCRIPT = """
import sys, torch
torch.set_num_threads(1)
from simulacra import recording
recording.CHECKPOINT_EVERY = 0.02
from simulacra.synthesizer import SYNTHESIZERS
import json
family, source, out, options = sys.argv[1:]
options = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(options).items()}
def show(progress, config):
    if progress.step % 20 == 0:
        print(progress.step, flush=True)
SYNTHESIZERS[family](**options).fit(source, out=out, progress=show)
"""


def start(family, source, out, options):
    command = [sys.executable, "-c", SCRIPT, family, source, str(out), json.dumps(options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_process_leaves_a_run_that_resumes(source, tiny, tmp_path):
    options = tiny("diffusion", steps=100_000, schedule="constant", warmup=0.0)
    process = start("diffusion", source, tmp_path / "run", options)
    assert process.stdout is not None
    while int(process.stdout.readline() or 10**6) < 200:
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run = Run(tmp_path / "run")
    assert run.status == "running"
    at = json.loads((run.path / "state" / "status.json").read_text())["step"]
    resumed = resume_run(run.path, steps=5)
    assert run.status == "finished"
    assert at + 5 <= resumed.config_.steps < 100_000
    # and ends where one that was never killed ends
    steps = {"steps": resumed.config_.steps, "schedule": "constant", "warmup": 0.0}
    fit("diffusion", source, tiny, out=tmp_path / "whole", **steps)
    assert_same_files(tmp_path / "whole", run.path)


def test_more_budget_goes_on_from_where_the_run_ended(copy):
    with pytest.raises(SimulacraError, match="its budget is spent; say how much more with --steps or --minutes"):
        resume_run(copy)
    model = resume_run(copy, steps=7)
    assert model.config_.steps == 27
    assert Run(copy).config["options"]["steps"] == 27
    assert Run(copy).events()[-1]["step"] == 27


def test_a_resumed_run_needs_the_data_that_it_learned(source, tiny, tmp_path, cloud):
    path = tmp_path / "mine.npy"
    np.save(path, cloud)
    fit("gan", str(path), tiny, out=tmp_path / "run")
    np.save(path, cloud + 1)
    with pytest.raises(SimulacraError, match=r"mine\.npy: has changed since"):
        resume_run(tmp_path / "run", steps=2)
    path.unlink()
    with pytest.raises(SimulacraError, match=r"mine\.npy"):
        resume_run(tmp_path / "run", steps=2)


# --- what goes wrong --------------------------------------------------------------------------------------------


@pytest.fixture
def live(monkeypatch):
    """What is being trained, for a test to break: live["training"]."""
    found = {}
    real = memory.train

    def remember(training, *args):
        found["training"] = training
        yield from real(training, *args)

    monkeypatch.setattr(memory, "train", remember)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_that_diverges_keeps_its_last_good_state(family, source, tiny, tmp_path, live):
    saved = {}

    def poison(progress, config):
        if progress.step == 12:
            saved.update(load_file(tmp_path / "run" / "model.safetensors"))
            for optimizer in live["training"].optimizers.values():
                for parameter in optimizer.param_groups[0]["params"]:
                    parameter.data.fill_(float("nan"))

    with pytest.raises(DivergedError, match=r"the last good state is kept\. Lower --lr"):
        fit(family, source, tiny, out=tmp_path / "run", progress=poison)
    run = Run(tmp_path / "run")
    assert run.status == "diverged"
    found = load_file(run.path / "model.safetensors")
    assert all(torch.equal(found[name], saved[name]) for name in found)
    assert all(torch.isfinite(tensor).all() for tensor in found.values())
    assert np.isfinite(open_run(run.path).sample(5)).all()
    resume_run(run.path)
    assert run.status == "finished"


@pytest.mark.parametrize("stopped", [False, True])
def test_weights_that_break_in_the_last_step_are_not_kept(source, tiny, tmp_path, live, stopped):
    last = 23 if stopped else 20  # where the budget ends, or the person ends it

    def poison(progress, config):
        if progress.step == last - 1:
            for optimizer in live["training"].optimizers.values():
                optimizer.param_groups[0]["initial_lr"] = float("nan")
        if progress.step == last and stopped:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(DivergedError, match="a weight is no longer a number"):
        fit("vae", source, tiny, out=tmp_path / "run", progress=poison, steps=30 if stopped else 20)
    assert Run(tmp_path / "run").status == "diverged"
    assert np.isfinite(open_run(tmp_path / "run").sample(5)).all()


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage(path):
    path.write_bytes(bytes(range(1, 256)) * 3)


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


def shapes(path):
    tensors = load_file(path)
    save_file(
        {name: tensor.reshape(-1)[:1].clone() for name, tensor in tensors.items()},
        path,
        {"step": "20", "elapsed": "0.1"},
    )


def other_names(path):
    save_file(
        {f"other/{name}": tensor for name, tensor in load_file(path).items()}, path, {"step": "20", "elapsed": "0.1"}
    )


READERS = {
    "config.json": open_run,
    "model.safetensors": open_run,
    "state/checkpoint.safetensors": lambda path: resume_run(path, steps=2),
    "samples/00000010.npz": lambda path: Run(path).snapshots(),
    "events.jsonl": lambda path: Run(path).events(),
    "state/status.json": lambda path: Run(path).status,
    "evaluation.json": lambda path: Run(path).evaluation(),
}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, damage) for name in READERS for damage in (truncate, garbage, empty) if name != "events.jsonl"),
        ("events.jsonl", garbage),
        ("config.json", remove), ("model.safetensors", remove), ("state/checkpoint.safetensors", remove),
        ("model.safetensors", shapes), ("state/checkpoint.safetensors", shapes),
        ("model.safetensors", other_names), ("state/checkpoint.safetensors", other_names),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(copy, name, damage):
    Run(copy).save_evaluation({"figures": {}})
    damage(copy / name)
    with pytest.raises(SimulacraError) as caught:
        READERS[name](copy)
    assert Path(name).name in str(caught.value)
    assert str(copy) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_wrong_optimiser_state_is_noticed(copy):
    path = copy / "state" / "checkpoint.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if name.startswith("optimizer") and name.endswith("exp_avg"))
    save_file(tensors | {name: torch.zeros(1, 7)}, path, {"step": "20", "elapsed": "0.1"})
    with pytest.raises(SimulacraError, match=r"checkpoint\.safetensors: damaged .*exp_avg is \[1, 7\]"):
        resume_run(copy, steps=2)


def entries(value, place=()):
    for key, item in value.items() if isinstance(value, dict) else ():
        yield (*place, key)
        yield from entries(item, (*place, key))


@pytest.mark.parametrize("junk", [None, 3, -1, "x", [], {}, 1e30, ...], ids=repr)
def test_a_wrong_entry_of_the_config_is_a_clear_error_or_does_no_harm(copy, junk):
    text = (copy / "config.json").read_text()
    for place in entries(json.loads(text)):
        config = json.loads(text)
        inner = config
        for key in place[:-1]:
            inner = inner[key]
        if junk is ...:
            del inner[place[-1]]
        else:
            inner[place[-1]] = junk
        (copy / "config.json").write_text(json.dumps(config))
        lines = []
        try:
            model = open_run(copy)
            model.sample(2)
            assert model.num_parameters_ > 0
            _ = model.dataset_
        except SimulacraError as error:
            lines = str(error).splitlines()
        assert len(lines) <= 1, place


def test_a_damaged_line_of_events_is_named_and_a_cut_last_one_passed_over(copy):
    lines = (copy / "events.jsonl").read_text().splitlines()
    (copy / "events.jsonl").write_text("\n".join([*lines, lines[-1][:10]]))
    assert len(Run(copy).events()) == len(lines)
    (copy / "events.jsonl").write_text("\n".join([lines[0], "{broken", lines[-1]]))
    with pytest.raises(SimulacraError, match=r"events\.jsonl, line 2: not a logged step; delete that line"):
        Run(copy).events()


def test_a_run_of_a_newer_version_is_refused_with_what_to_do(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"format": FORMAT + 1, "version": "9.9"}))
    with pytest.raises(SimulacraError, match=r"made by simulacra 9\.9, newer than this one .*; upgrade with: pip"):
        open_run(copy)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(SimulacraError, match="no such run"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(SimulacraError, match=r"has no config\.json"):
        open_run(tmp_path)


def test_an_existing_folder_is_left_alone(source, tiny, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    with pytest.raises(SimulacraError, match="exists and is not empty; choose another --out, or go on with --resume"):
        fit("gan", source, tiny, out=tmp_path / "run")
    assert left(tmp_path) == ["run/mine.txt"]
    (tmp_path / "empty").mkdir()
    assert fit("gan", source, tiny, out=tmp_path / "empty").run_.status == "finished"


def test_a_file_in_place_of_the_folder_is_left_alone(source, tiny, tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(SimulacraError, match="a file of that name is there"):
        fit("gan", source, tiny, out=tmp_path / "run")
    with pytest.raises(SimulacraError, match="a file stands where a folder is needed"):
        fit("gan", source, tiny, out=tmp_path / "run" / "below")
    assert left(tmp_path) == ["run"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_refused(source, tiny, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SimulacraError, match="not allowed to write there; choose another --out"):
            fit("gan", source, tiny, out=tmp_path / "run")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_refused_write_leaves_no_half_written_file(tmp_path, number, monkeypatch):
    (tmp_path / "a.json").write_text("old")

    def refuse(self, data):
        with open(self, "wb") as file:
            file.write(data[:5])
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.Path, "write_bytes", refuse)
    text = "no space left on the disk" if number == errno.ENOSPC else "not allowed to write there"
    with pytest.raises(SimulacraError, match=text):
        files.write_json(tmp_path / "a.json", {"new": 1})
    assert left(tmp_path) == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "old"


FULL = """
import resource, sys, torch
import simulacra as sim
from simulacra.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # a disk on which no file of weights has room
main(["train", sys.argv[1], "--out", sys.argv[2], "--steps", "5", "--quiet",
      "--family", "gan", "--generator-hidden", "200", "200"])
"""


def test_a_disk_without_room_for_the_weights_is_one_line_and_no_half_file(source, tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, source, str(tmp_path / "run")], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "safetensors: could not be written (File too large)" in done.stderr
    assert not [name for name in left(tmp_path) if name.endswith("safetensors")]


def test_a_copy_is_whole_or_not_there(finished, tmp_path, monkeypatch):
    from simulacra import run as module

    def break_off(source, target):
        target.mkdir()
        (target / "config.json").write_text("{")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.shutil, "copytree", break_off)
    with pytest.raises(SimulacraError, match="No space left on device"):
        Run(finished).copy_to(tmp_path / "copy")
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    copied = Run(finished).copy_to(tmp_path / "copy")
    assert left(copied.path) == left(finished)
    with pytest.raises(SimulacraError, match="exists and is not empty"):
        Run(finished).copy_to(tmp_path / "copy")


def test_a_run_in_progress_can_be_read(source, tiny, tmp_path):
    seen = []

    def look(progress, config):
        if progress.step == 15:
            run = Run(tmp_path / "run")
            seen.append((run.status, [s.step for s in run.snapshots()], len(run.events())))

    fit("gan", source, tiny, out=tmp_path / "run", progress=look)
    assert seen == [("running", [0, 10], 1)]


def test_nothing_needs_the_clock_to_be_right(source, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(
        recording, "time", type("Clock", (), {"monotonic": staticmethod(lambda: time.monotonic() * 1e6)})
    )
    assert fit("vae", source, tiny, out=tmp_path / "run").run_.status == "finished"  # a checkpoint at every step
    assert sim.open_run(tmp_path / "run").sample(2).shape == (2, 2)
