"""Runs for commands to work on, and a command that must be refused."""

import numpy as np
import pytest
from commands import TINY

from simulacra.cli import main


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


@pytest.fixture(scope="session")
def cloud_file(tmp_path_factory, cloud):
    path = tmp_path_factory.mktemp("cli") / "cloud.npy"
    np.save(path, cloud)
    return path


@pytest.fixture(scope="session")
def points_run(tmp_path_factory, cloud_file):
    path = tmp_path_factory.mktemp("cli") / "points"
    main(["train", str(cloud_file), *TINY["gan"], "--steps", "5", "--quiet", "--no-evaluate", "--out", str(path)])
    return path


@pytest.fixture(scope="session")
def images_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "digits"
    main(["train", "digits", *TINY["vae"], "--steps", "5", "--quiet", "--no-evaluate", "--out", str(path)])
    return path
