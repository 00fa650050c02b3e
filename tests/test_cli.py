"""The command line as people and scripts meet it: each command as a process, each mistake in one line."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from simulacra.cli import COMMANDS, main
from simulacra.config import FAMILIES
from simulacra.recipes import PRESETS
from simulacra.run import Run

TINY = {
    "gan": ["--family", "gan", "--generator-hidden", "8", "--discriminator-hidden", "8", "--batch-size", "16"],
    "vae": ["--family", "vae", "--width", "8", "--depth", "1", "--components", "2", "--batch-size", "16"],
    "diffusion": ["--width", "8", "--depth", "1", "--sampling-steps", "4", "--batch-size", "16"],
}


def run(*words, cwd=None, code=0):
    """The command as a process: its output and error stream."""
    done = subprocess.run(
        [sys.executable, "-m", "simulacra.cli", *map(str, words)], capture_output=True, text=True, cwd=cwd
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture
def refused(capsys):
    """refused(*words): the one line on the error stream of a command that exits with code 2."""

    def check(*words):
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert caught.value.code == 2
        assert out == ""
        (line,) = err.splitlines()
        assert line.startswith("simulacra: ")
        return line

    return check


@pytest.fixture(scope="module")
def cloud_file(tmp_path_factory, cloud):
    path = tmp_path_factory.mktemp("cli") / "cloud.npy"
    np.save(path, cloud)
    return path


@pytest.fixture(scope="module")
def points_run(tmp_path_factory, cloud_file):
    path = tmp_path_factory.mktemp("cli") / "points"
    main(["train", str(cloud_file), *TINY["gan"], "--steps", "5", "--quiet", "--no-evaluate", "--out", str(path)])
    return path


@pytest.fixture(scope="module")
def images_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "digits"
    main(["train", "digits", *TINY["vae"], "--steps", "5", "--quiet", "--no-evaluate", "--out", str(path)])
    return path


# --- each command as a process ----------------------------------------------------------------------------------


def test_help_lists_every_command():
    out, err = run("--help")
    assert all(f"  {name} " in out for name in COMMANDS)
    assert err == ""
    assert run()[0] == out


def test_train_evaluate_and_resume(tmp_path, cloud_file, capsys, monkeypatch):
    out, err = run("train", cloud_file, *TINY["vae"], "--steps", 30, "--out", "run", cwd=tmp_path)
    assert "240 examples to learn from, 60 held out; vae, 30 steps, to run" in err
    assert "100%" in err
    assert out.splitlines()[-2:] == ["run: run", "report: run/report.html"]
    assert any(line.startswith(("Learned", "Partly", "Failed")) for line in out.splitlines())
    found = Run(tmp_path / "run")
    assert found.evaluation() is not None
    assert found.status == "finished"

    out, err = run("evaluate", "run", "--json", "--no-report", cwd=tmp_path)
    evaluation = json.loads(out)
    assert evaluation["verdict"]["status"] in ("learned", "partly", "failed")
    assert {"value", "floor", "baseline", "low", "high"} <= set(next(iter(evaluation["figures"].values())))

    monkeypatch.chdir(tmp_path)
    main(["train", "--resume", "run", "--steps", "4", "--no-evaluate", "--json", "--quiet"])
    assert json.loads(capsys.readouterr().out) == {"run": "run", "status": "finished"}
    assert Run(tmp_path / "run").config["options"]["steps"] == 34


def test_compare(tmp_path, cloud_file, refused):
    out, _ = run(
        "compare",
        cloud_file,
        "--steps",
        3,
        "--families",
        "gan",
        "vae",
        "--out",
        "both",
        "--quiet",
        "--json",
        cwd=tmp_path,
    )
    found = json.loads(out)
    assert [row["family"] for row in found["rows"]] == ["gan", "vae"]
    assert (tmp_path / "both" / "report.html").stat().st_size > 10_000
    assert "not empty" in refused("compare", cloud_file, "--steps", 3, "--out", tmp_path / "both")


def test_presets():
    out, _ = run("presets")
    assert all(name in out for name in PRESETS)
    found = json.loads(run("presets", "--json")[0])
    assert found.keys() == PRESETS.keys()


def test_sample_writes_a_grid(images_run, tmp_path):
    out, err = run("sample", images_run, "-n", 10, "--out", "digits.png", cwd=tmp_path)
    assert out.startswith("digits.png: 10 samples in ")
    assert err == ""
    assert read(tmp_path / "digits.png").shape == (3 * 10 + 2, 4 * 10 + 2)


def test_ctrl_c_saves_exits_130_and_can_be_resumed(cloud_file, tmp_path):
    words = ["train", str(cloud_file), *TINY["diffusion"], "--steps", "1000000", "--out", "run", "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "simulacra.cli", *words], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    events = tmp_path / "run" / "events.jsonl"
    while process.poll() is None and not (events.exists() and events.stat().st_size > 300):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines() == ["saved; go on with: simulacra train --resume run", "stopped"]
    found = Run(tmp_path / "run")
    assert found.status == "interrupted"
    at = found.events()[-1]["step"]
    run("train", "--resume", "run", "--steps", 3, "--no-evaluate", "--quiet", cwd=tmp_path)
    assert found.status == "finished"
    assert found.events()[-1]["step"] == at + 3


# --- in this process: formats and options -----------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["npz", "npy", "csv"])
def test_sample_writes_points(points_run, tmp_path, ending, capsys):
    path = tmp_path / f"a.{ending}"
    main(["sample", str(points_run), "-n", "11", "--seed", "3", "--out", str(path), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["n"], told["shape"], told["out"]) == (11, [11, 2], str(path))
    values = np.loadtxt(path, delimiter=",", skiprows=1) if ending == "csv" else np.load(path)
    values = values["values"] if ending == "npz" else values
    main(["sample", str(points_run), "-n", "12", "--seed", "3", "--out", str(tmp_path / "b.npy")])
    np.testing.assert_allclose(values, np.load(tmp_path / "b.npy")[:11], rtol=1e-4)


def test_sample_writes_a_folder_of_pictures_of_one_class(images_run, tmp_path):
    main(["sample", str(images_run), "-n", "3", "--label", "7", "--out", str(tmp_path / "sevens")])
    assert [read(path).shape for path in sorted((tmp_path / "sevens").iterdir())] == [(8, 8)] * 3


def test_a_dry_run_says_what_would_be_done_and_does_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["train", "toy:bimodal", "--family", "gan", "--steps", "7", "--dry-run"])
    plan = json.loads(capsys.readouterr().out)
    assert (plan["out"], plan["data"], plan["family"], plan["steps"], plan["minutes"]) == (
        "runs/toy-bimodal-gan", "toy:bimodal", "gan", 7, None)  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_flags_win_over_a_file_and_a_file_over_a_preset(tmp_path, capsys):
    (tmp_path / "options.toml").write_text("lr = 0.5\nbatch_size = 32\nminutes = 3\n")
    main(["train", "digits", "--family", "gan", "--preset", "mlp-gan-mnist", "--config", str(tmp_path / "options.toml"),
          "--lr=0.25", "--no-conditional", "--dry-run"])  # fmt: skip
    plan = json.loads(capsys.readouterr().out)
    assert (plan["lr"], plan["batch_size"], plan["latent_dim"], plan["conditional"]) == (0.25, 32, 100, False)
    assert (plan["steps"], plan["minutes"]) == (None, 3)
    (tmp_path / "options.json").write_text('{"generator_hidden": [4, 5]}')
    main(["train", "digits", "--family", "gan", "--config", str(tmp_path / "options.json"), "--dry-run"])
    assert json.loads(capsys.readouterr().out)["generator_hidden"] == [4, 5]


def test_a_flag_that_repeats_the_default_still_wins(tmp_path, capsys):
    from simulacra.config import GANConfig

    (tmp_path / "options.json").write_text('{"lr": 0.5}')
    default = f"{GANConfig().lr:g}"
    main(
        [
            "train",
            "toy:ring",
            "--family",
            "gan",
            "--config",
            str(tmp_path / "options.json"),
            "--lr",
            default,
            "--dry-run",
        ]
    )
    assert json.loads(capsys.readouterr().out)["lr"] == float(default)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_help_of_train_is_of_the_family(family, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", "--family", family, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    own = {"gan": "--discriminator-hidden", "vae": "--beta-warmup", "diffusion": "--sampling-steps"}
    assert [name for name, flag in own.items() if flag in text] == [family]


def test_a_default_folder_is_never_written_over(tmp_path, monkeypatch, cloud_file, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["train", str(cloud_file), *TINY["gan"], "--steps", "1", "--quiet", "--no-evaluate"]
    main(words)
    main(words)
    assert capsys.readouterr().out.splitlines() == ["run: runs/cloud-gan", "run: runs/cloud-gan-2"]


def test_the_version(capsys):
    import simulacra

    main(["--version"])
    assert capsys.readouterr().out == f"simulacra {simulacra.__version__}\n"


# --- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["trian"], 'no command "trian": did you mean "train"?'),
        (["train"], "say what to learn"),
        (["train", "digits", "--family", "gam"], 'no family "gam": did you mean "gan"?'),
        (["train", "digits", "--family", "gan", "--preset", "mlp-gan"], 'no preset "mlp-gan": did you mean'),
        (["train", "digits", "--preset", "mlp-gan-mnist"], "is a gan; add --family gan"),
        (["train", "toy:bimodl"], 'there is no toy "bimodl": did you mean "bimodal"?'),
        (["train", "nowhere.npy"], "nowhere.npy"),
        (["train", "digits", "--config", "nowhere.json"], "nowhere.json: no such file"),
        (["train", "digits", "--config", "nowhere.toml"], "nowhere.toml"),
        (["train", "digits", "--steps", "0"], "--steps 0: must be at least 1"),
        (["train", "digits", "--holdout", "2"], "holdout 2"),
        (["train", "digits", "--split-seed", "-1"], "seed -1"),
        (["train", "toy:ring", "--size", "8"], "no images to resize"),
        (["train", "digits", "--quiet", "--device", "gpu"], "auto, cpu, cuda"),
        (["train", "--resume", "nowhere"], "nowhere: no such run"),
        (["sample", "nowhere"], "nowhere: no such run"),
        (["evaluate", "nowhere"], "nowhere: no such run"),
        (["compare", "digits", "--families", "gam"], 'no family "gam"'),
        (["compare", "digits", "--replicates", "0"], "--replicates 0: must be at least 1"),
        (["compare", "nowhere"], "nowhere"),
    ],
)
def test_bad_words_are_refused_in_one_line(refused, tmp_path, monkeypatch, words, text):
    monkeypatch.chdir(tmp_path)
    assert text in refused(*words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-n", "0"], "-n 0: must be at least 1"),
        (["-n", "-3"], "-n -3: must be at least 1"),
        (["--out", "a.jpg"], 'points cannot be written as ".jpg"; use one of .csv, .npz, .npy'),
        (["--out", "a.csv", "--label", "7"], "this model knows no labels"),
        (["--out", "a.csv", "--sampler", "heun"], 'a gan cannot be sampled with "sampler"'),
        (["--out", "a.csv", "--guidance-scale", "2"], "a GAN has no guidance"),
        (["--out", "a.csv", "--device", "cuda:77"], "--device cuda:77"),
    ],
)
def test_bad_samples_are_refused_in_one_line(refused, points_run, tmp_path, monkeypatch, words, text):
    monkeypatch.chdir(tmp_path)
    assert text in refused("sample", points_run, *words)
    assert not list(tmp_path.iterdir())


def test_a_label_that_is_not_known_is_refused(refused, images_run, tmp_path):
    assert 'no class "seven"' in refused("sample", images_run, "--label", "seven", "--out", tmp_path / "a.png")


def test_resume_keeps_the_options_of_the_run(refused, points_run, cloud_file):
    assert "leave out --lr" in refused("train", "--resume", points_run, "--lr", "0.1")
    assert "leave out the source" in refused("train", cloud_file, "--resume", points_run, "--steps", "1")
    assert "its budget is spent" in refused("train", "--resume", points_run)


def image(path, size=(6, 5), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)).save(path)


@pytest.mark.parametrize(
    ("make", "words", "text"),
    [
        (lambda d: d.mkdir(), [], "data"),
        (lambda d: [image(d / f"{i}.png", (6, 5 + i % 2), i) for i in range(30)], [], "--size"),
        (lambda d: ([image(d / f"{i}.png", seed=i) for i in range(30)], (d / "x.png").write_bytes(b"\x89PNG broken")),
         ["--strict"], "x.png"),
        (lambda d: np.save(d.with_suffix(".npy"), np.full((50, 2), np.nan)), [], "NaN"),
        (lambda d: np.save(d.with_suffix(".npy"), np.full((50, 2), np.inf)), [], "infin"),
        (lambda d: np.save(d.with_suffix(".npy"), np.zeros((1, 2))), [], "at least"),
        (lambda d: np.save(d.with_suffix(".npy"), np.ones((50, 2))), [], "there is nothing to learn in it"),
        (lambda d: np.save(d.with_suffix(".npy"), np.ones((50, 4, 4), np.uint8)), [], "every pixel is 1"),
        (lambda d: np.save(d.with_suffix(".npy"), np.array(["a"] * 50)), [], "data.npy"),
        (lambda d: np.save(d.with_suffix(".npy"), np.array([{}] * 50, dtype=object)), [], "Python objects"),
        (lambda d: d.with_suffix(".npy").write_bytes(b"\x93NUMPY garbage"), [], "data.npy"),
        (lambda d: d.with_suffix(".npy").write_bytes(b""), [], "data.npy"),
    ],
    ids=["empty folder", "sizes", "corrupt", "nan", "inf", "one", "constant", "constant pixels", "text", "pickle",
         "garbage", "empty file"],
)  # fmt: skip
def test_bad_data_are_refused_in_one_line_and_nothing_is_written(refused, tmp_path, make, words, text):
    make(tmp_path / "data")
    source = tmp_path / "data" if (tmp_path / "data").exists() else tmp_path / "data.npy"
    line = refused("train", source, *TINY["gan"], *words, "--out", tmp_path / "run", "--quiet")
    assert text.lower() in line.lower()
    assert not (tmp_path / "run").exists()


def test_a_corrupt_picture_is_skipped_with_a_count(tmp_path, capsys):
    for i in range(30):
        image(tmp_path / "data" / f"{i}.png", seed=i)
    (tmp_path / "data" / "x.png").write_bytes(b"\x89PNG broken")
    main(
        [
            "train",
            str(tmp_path / "data"),
            *TINY["vae"],
            "--steps",
            "1",
            "--no-evaluate",
            "--quiet",
            "--out",
            str(tmp_path / "run"),
        ]
    )
    err = capsys.readouterr().err
    assert "x.png" in err
    assert "1" in err


def test_folders_in_the_way_are_refused(refused, tmp_path, cloud_file, points_run):
    (tmp_path / "file").write_text("mine")
    words = ["train", cloud_file, *TINY["gan"], "--steps", "1", "--quiet", "--out"]
    assert "exists and is not empty" in refused(*words, points_run)
    assert "a file of that name is there" in refused(*words, tmp_path / "file")
    assert "a file stands where a folder is needed" in refused(*words, tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors"])
def test_a_damaged_run_is_refused_in_one_line(refused, points_run, tmp_path, damage):
    path = Run(points_run).copy_to(tmp_path / "run").path
    (path / damage).write_text("{")
    for command in ("sample", "evaluate"):
        assert damage in refused(command, path)


def test_a_run_of_a_newer_version_is_refused(refused, points_run, tmp_path):
    path = Run(points_run).copy_to(tmp_path / "run").path
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"format": 99}))
    for words in (["sample", path], ["evaluate", path], ["train", "--resume", path, "--steps", "1"]):
        assert "newer than this one" in refused(*words)


def test_training_that_diverges_is_one_line_and_code_2(refused, tmp_path, cloud_file):
    wild = ["--lr", "1e30", "--schedule", "constant", "--steps", "50"]
    line = refused("train", cloud_file, *TINY["vae"], *wild, "--quiet", "--out", tmp_path / "run")
    assert "the last good state is kept. Lower --lr" in line
    assert Run(tmp_path / "run").status == "diverged"


def test_output_that_nobody_reads_is_no_error(points_run):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "simulacra.cli", "presets"], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert "Traceback" not in done.stderr
    assert done.stderr == ""
