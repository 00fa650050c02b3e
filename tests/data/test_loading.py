import gzip
import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simulacra.data import kind_of, load
from simulacra.data.images import named
from simulacra.errors import SimulacraError


def pictures(n=12, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *(shape or (6, 5))), dtype=np.uint8)


def save_all(folder, images, suffix=".png", **options):
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture.save(folder / f"{i:03d}{suffix}", **options)
    return folder


def every(data):
    """All images of a dataset in an order that depends on their pixels alone."""
    values = np.concatenate([data.train.values, data.holdout.values])
    return values[np.lexsort(values.reshape(len(values), -1).T)]


def ordered(values):
    return values[np.lexsort(values.reshape(len(values), -1).T)]


def idx(values, code=0x08):
    header = struct.pack(">BBBB", 0, 0, code, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


# Folders


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3), (6, 5, 4)])
def test_png_folders_give_their_pixels(tmp_path, shape):
    images = pictures(12, *shape)
    data = load(save_all(tmp_path / "photos", images))
    assert data.name == "photos"
    assert data.kind == kind_of(tmp_path / "photos") == "images"
    assert data.train.values.dtype == np.uint8
    assert data.train.values.shape[1:] == shape
    np.testing.assert_array_equal(every(data), ordered(images))


def test_class_folders_become_labels_in_the_order_of_their_names(tmp_path):
    for name, low in (("zebra", 200), ("ant", 0), ("mole", 100)):
        save_all(tmp_path / name, low + pictures(10) // 6)
    (tmp_path / "zebra" / "deeper").mkdir()
    (tmp_path / "zebra" / "000.png").rename(tmp_path / "zebra" / "deeper" / "x.PNG")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden.png").write_bytes(b"not a picture")
    (tmp_path / "zebra" / "readme.txt").write_text("not a picture either")
    data = load(tmp_path)
    assert data.classes == ("ant", "mole", "zebra")
    for split in (data.train, data.holdout):
        assert split.labels is not None
        np.testing.assert_array_equal(split.values.min(axis=(1, 2)) // 100, split.labels)
        assert set(np.bincount(split.labels)) == {8 if split is data.train else 2}
    assert load(data.source, **data.options).fingerprint == data.fingerprint


def test_a_lone_folder_in_the_folder_is_no_class(tmp_path):
    save_all(tmp_path / "all", pictures())
    assert load(tmp_path).classes == ()
    save_all(tmp_path / "b" / "c" / "one", pictures())
    save_all(tmp_path / "b" / "c" / "two", pictures())
    assert load(tmp_path / "b").classes == ("one", "two")


def test_train_and_test_folders_are_a_published_split(tmp_path):
    for part, n in (("train", 10), ("test", 4)):
        for name in ("cat", "dog"):
            save_all(tmp_path / part / name, pictures(n, seed=n))
    data = load(tmp_path)
    assert (len(data.train), len(data.holdout), data.classes) == (20, 8, ("cat", "dog"))
    np.testing.assert_array_equal(data.holdout.of_class(1).values, pictures(4, seed=4))
    (tmp_path / "test" / "dog").rename(tmp_path / "test" / "fox")
    with pytest.raises(SimulacraError, match="the classes in train and test differ"):
        load(tmp_path)


def test_jpeg_folders_give_what_pillow_gives(tmp_path):
    smooth = np.broadcast_to(np.linspace(0, 255, 16), (12, 16, 16)) * np.linspace(0.2, 1, 12)[:, None, None]
    folder = save_all(tmp_path / "a", smooth.astype(np.uint8), ".jpg", quality=95)
    assert np.abs(every(load(folder)).astype(int) - ordered(smooth.astype(np.uint8))).max() <= 4


def test_grey_stored_as_colour_is_grey_unless_one_picture_has_colour(tmp_path):
    grey = pictures()
    folder = save_all(tmp_path / "a", [Image.fromarray(image).convert("RGB") for image in grey])
    np.testing.assert_array_equal(every(load(folder)), ordered(grey))
    colour = np.zeros((6, 5, 3), np.uint8)
    colour[0, 0, 0] = 1
    save_all(folder, [Image.fromarray(image) for image in grey] + [Image.fromarray(colour)])
    assert load(folder).train.values.shape[1:] == (6, 5, 3)
    expected = np.concatenate([np.repeat(grey[..., None], 3, axis=-1), colour[None]])
    np.testing.assert_array_equal(every(load(folder)), ordered(expected))


def test_alpha_stays_where_one_picture_is_translucent(tmp_path):
    mixed = [Image.fromarray(image) for image in [*pictures(6), *pictures(6, 6, 5, 3), *pictures(1, 6, 5, 4)]]
    data = load(save_all(tmp_path / "a", mixed))
    assert data.train.values.shape[1:] == (6, 5, 4)
    expected = np.stack([np.asarray(image.convert("RGBA")) for image in mixed])
    np.testing.assert_array_equal(every(data), ordered(expected))
    opaque = pictures(12, 6, 5, 4)
    opaque[..., 3] = 255
    assert load(save_all(tmp_path / "b", opaque)).train.values.shape[1:] == (6, 5, 3)


def test_palettes_and_bilevel_pictures_are_seen_as_their_colours(tmp_path):
    palette = [Image.fromarray(image).quantize(16) for image in pictures(12, 6, 5, 3)]
    data = load(save_all(tmp_path / "a", palette))
    np.testing.assert_array_equal(every(data), ordered(np.stack([np.asarray(p.convert("RGB")) for p in palette])))
    see_through = load(save_all(tmp_path / "b", palette, transparency=0))
    assert see_through.train.values.shape[1:] == (6, 5, 4)
    bits = pictures() > 127
    two = load(save_all(tmp_path / "c", [Image.fromarray(image) for image in bits]))
    np.testing.assert_array_equal(every(two), ordered((255 * bits).astype(np.uint8)))


def test_sixteen_bit_grey_keeps_its_depth_unless_mixed(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (12, 6, 5), dtype=np.uint16)
    folder = save_all(tmp_path / "a", deep)
    data = load(folder)
    assert data.train.values.dtype == np.uint16
    np.testing.assert_array_equal(every(data), ordered(deep))
    Image.fromarray(pictures(1)[0]).save(folder / "shallow.png")
    expected = np.concatenate([(deep >> 8).astype(np.uint8), pictures(1)])
    np.testing.assert_array_equal(every(load(folder)), ordered(expected))


def test_pictures_are_turned_upright_by_their_exif(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn to the left
    images = pictures()
    data = load(save_all(tmp_path / "a", images, exif=exif))
    np.testing.assert_array_equal(every(data), ordered(np.rot90(images, -1, axes=(1, 2))))


def test_different_sizes_are_named_with_counts_and_resized_on_demand(tmp_path):
    folder = save_all(tmp_path / "a", [*pictures(9, 8, 8, 3), *pictures(2, 20, 30, 3), *pictures(1, 8, 9, 3)])
    message = r"3 different sizes, height x width 8 x 8 \(9\), 20 x 30 \(2\), 8 x 9 \(1\), .*009.png: .*--size N"
    with pytest.raises(SimulacraError, match=message):
        load(folder)
    data = load(folder, size=8)
    assert data.train.values.shape[1:] == (8, 8, 3)
    assert data.options["size"] == 8
    # Pictures that have the size already keep every pixel.
    kept = {image.tobytes() for image in every(data)}
    assert all(image.tobytes() in kept for image in pictures(9, 8, 8, 3))


def test_large_jpegs_are_resized_as_from_full_size(tmp_path):
    y, x = np.mgrid[:320, :320] / 320
    smooth = [(127 * (1 + np.sin((i + 2) * x) * np.cos((i + 1) * y))).astype(np.uint8) for i in range(10)]
    data = load(save_all(tmp_path / "a", smooth, ".jpg", quality=95), size=16)
    for image in smooth:
        whole = np.asarray(Image.fromarray(image).resize((16, 16), Image.Resampling.LANCZOS)).astype(int)
        difference = np.abs(every(data) - whole)
        nearest = difference[difference.sum(axis=(1, 2)).argmin()]
        assert nearest.max() <= 5
        assert nearest.mean() <= 1


def damage(folder):
    cut = folder / "003.png"
    cut.write_bytes(cut.read_bytes()[:-40])
    (folder / "005.png").write_bytes(b"GIF89a, in truth a text")
    (folder / "007.png").write_bytes(b"")


def test_damaged_pictures_are_skipped_and_named(tmp_path):
    folder = save_all(tmp_path / "a", pictures(20, 9, 9))
    damage(folder)
    data = load(folder)
    assert len(data.train) + len(data.holdout) == 17
    (note,) = data.notes
    assert note.startswith("3 of 20 files skipped: 003.png (truncated), 005.png (not readable as an image), 007.png")
    with pytest.raises(SimulacraError, match=r"003\.png: truncated: replace or remove it"):
        load(folder, strict=True)


def test_labels_stay_with_their_pictures_when_some_are_skipped(tmp_path):
    save_all(tmp_path / "dark", pictures(20) // 4)
    save_all(tmp_path / "light", 192 + pictures(20) // 4)
    damage(tmp_path / "dark")
    data = load(tmp_path)
    assert "dark/003.png" in data.notes[0].replace(os.sep, "/")
    for split in (data.train, data.holdout):
        np.testing.assert_array_equal(split.labels, split.values[:, 0, 0] // 192)


def test_decompression_bombs_are_not_decoded(tmp_path, monkeypatch):
    folder = save_all(tmp_path / "a", [*pictures(12, 8, 8), *pictures(1, 30, 30)])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    data = load(folder)
    assert data.train.values.shape[1:] == (8, 8)
    assert "012.png (more than 500 pixels)" in data.notes[0]
    with pytest.raises(SimulacraError, match=r"012\.png: more than 500 pixels"):
        load(folder, strict=True)


def test_folders_without_usable_pictures_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SimulacraError, match="holds no PNG, JPEG or IDX file"):
        load(tmp_path / "empty")
    bad = save_all(tmp_path / "bad", pictures(1))
    (bad / "000.png").write_bytes(b"nothing")
    with pytest.raises(SimulacraError, match=r"none of 1 images can be read \(000\.png"):
        load(bad)
    one = save_all(tmp_path / "one", pictures(1))
    with pytest.raises(SimulacraError, match="at least 10 examples"):
        load(one)
    mixed = save_all(tmp_path / "mixed", pictures(2))
    save_all(mixed / "cat", pictures(12))
    with pytest.raises(SimulacraError, match="2 images beside 1 folders"):
        load(mixed)
    same = save_all(tmp_path / "same", np.zeros((12, 4, 4), np.uint8))
    with pytest.raises(SimulacraError, match="every pixel is 0"):
        load(same)


@pytest.mark.parametrize(("name", "message"), [("a.png", "pass the folder"), ("a.csv", "no known format")])
def test_files_of_other_formats_are_refused(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"something else")
    for function in (load, kind_of):
        with pytest.raises(SimulacraError, match=message):
            function(tmp_path / name)


# IDX and CIFAR files


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("dtype", "code"), [("uint8", 0x08), ("int16", 0x0B), ("int32", 0x0C), ("float32", 0x0D)])
def test_idx_files_give_their_array_with_the_labels_beside(tmp_path, suffix, dtype, code):
    images, labels = pictures(20).astype(dtype), (np.arange(20) % 2).astype(np.uint8)
    pack = gzip.compress if suffix else bytes
    path = tmp_path / f"some-images-idx3-ubyte{suffix}"
    path.write_bytes(pack(idx(images, code)))
    bare = load(path)
    assert bare.classes == ()
    assert bare.kind == kind_of(path) == "images"
    np.testing.assert_array_equal(every(bare), ordered(images))
    assert bare.train.values.dtype == dtype
    (tmp_path / "some-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    assert load(path).fingerprint == load(tmp_path).fingerprint == load(images, labels=labels).fingerprint
    assert load(images, labels=tmp_path / "some-labels-idx1-ubyte.gz").fingerprint == load(path).fingerprint


def write_mnist(folder, train=20, test=10):
    folder.mkdir()
    for part, n in (("train", train), ("t10k", test)):
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures(n, 28, 28, seed=n))))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx((np.arange(n) % 10).astype(np.uint8))))


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_names_are_found_in_the_data_folder_with_their_published_split(tmp_path, monkeypatch, name):
    monkeypatch.setenv("SIMULACRA_DATA", str(tmp_path))
    write_mnist(tmp_path / name)
    data = load(name)
    assert (data.name, data.source, data.options) == (name, name, {})
    np.testing.assert_array_equal(data.train.values, pictures(20, 28, 28, seed=20))
    np.testing.assert_array_equal(data.holdout.values, pictures(10, 28, 28, seed=10))
    assert len(data.classes) == 10
    assert load(tmp_path / name).fingerprint == load(name).fingerprint or name == "fashion-mnist"


@pytest.mark.parametrize("damaged", ["cut", "header", "long", "not gzip"])
def test_damaged_idx_files_are_named(tmp_path, damaged):
    whole, path = idx(pictures(20)), tmp_path / "images-idx3-ubyte"
    if damaged == "not gzip":
        path = tmp_path / "images-idx3-ubyte.gz"
        path.write_bytes(gzip.compress(whole)[:-30])
    else:
        path.write_bytes({"cut": whole[:-1], "header": whole[:9], "long": whole + b"!"}[damaged])
    with pytest.raises(SimulacraError, match=f"{path.name}: .*again"):
        load(path)


def test_idx_folders_with_more_than_one_choice_and_labels_alone_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx(pictures(20)))
    with pytest.raises(SimulacraError, match="holds 2 IDX files of images"):
        load(tmp_path)
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(idx(np.arange(20, dtype=np.uint8)))
    with pytest.raises(SimulacraError, match="holds labels, not images"):
        load(tmp_path / "a-labels-idx1-ubyte")


def write_cifar(folder, files):
    folder.mkdir(parents=True)
    for name, n in files.items():
        records = np.random.default_rng(n).integers(0, 256, (n, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        records.tofile(folder / name)


def test_cifar_is_read_from_its_binary_version(tmp_path, monkeypatch):
    monkeypatch.setenv("SIMULACRA_DATA", str(tmp_path))
    home = tmp_path / "cifar10" / "cifar-10-batches-bin"
    write_cifar(home, {"data_batch_1.bin": 30, "data_batch_2.bin": 31, "test_batch.bin": 20})
    data = load("cifar10")
    assert (len(data.train), len(data.holdout)) == (61, 20)
    assert data.classes[0] == "airplane"
    first = np.fromfile(home / "data_batch_1.bin", np.uint8, 3073)
    assert data.train.labels is not None
    assert data.train.labels[0] == first[0]
    np.testing.assert_array_equal(data.train.values[0, :, :, 2], first[1 + 2048 :].reshape(32, 32))
    (home / "test_batch.bin").unlink()
    assert len(load("cifar10", holdout=0.5).holdout) == pytest.approx(30, abs=1)
    (home / "data_batch_2.bin").write_bytes(b"short")
    with pytest.raises(SimulacraError, match=r"data_batch_2\.bin: 5 bytes"):
        load("cifar10")


def test_cifar_in_class_folders_keeps_their_names_and_pickles_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SIMULACRA_DATA", str(tmp_path))
    for name in ("ship", "horse"):
        save_all(tmp_path / "cifar10" / name, pictures(10, 32, 32, 3, seed=len(name)))
    assert load("cifar10").classes == ("horse", "ship")
    pickles = tmp_path / "other" / "cifar-10-batches-py"
    pickles.mkdir(parents=True)
    (pickles / "data_batch_1").write_bytes(b"\x80\x04N.")
    with pytest.raises(SimulacraError, match=r"never opened: put its binary version"):
        load(tmp_path / "other")


# OpenML


@pytest.fixture
def openml(tmp_path, monkeypatch):
    """OpenML as a function of its arguments, and no data folder."""
    monkeypatch.delenv("SIMULACRA_DATA", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "cache"))
    calls = []

    def install(answer):
        def fetch(name, **options):
            calls.append(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
        return calls

    return install


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
@pytest.mark.parametrize("data_folder", [None, "elsewhere"])
def test_without_network_the_error_says_which_file_to_put_where(openml, monkeypatch, tmp_path, name, data_folder):
    openml(OSError("no route\nto host"))
    if data_folder:
        monkeypatch.setenv("SIMULACRA_DATA", str(tmp_path / data_folder))
    files = "data_batch_1.bin to" if name == "cifar10" else "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz,"
    with pytest.raises(SimulacraError, match=rf"{name} cannot be fetched .*no route to host.*put {files}") as caught:
        load(name)
    text = str(caught.value)
    assert "\n" not in text
    assert (str(tmp_path / "elsewhere" / name) in text) == bool(data_folder)
    assert ("set SIMULACRA_DATA" in text) == (not data_folder)


def test_openml_gives_the_published_split_and_is_asked_once(openml, monkeypatch):
    monkeypatch.setitem(named.PUBLIC, "mnist", named.PUBLIC["mnist"]._replace(train=30))
    images = pictures(40, 28, 28)
    calls = openml((images.reshape(40, -1).astype(float), np.array([str(i % 10) for i in range(40)], dtype=object)))
    data = load("mnist")
    np.testing.assert_array_equal(data.train.values, images[:30])
    np.testing.assert_array_equal(data.holdout.values, images[30:])
    assert load("mnist").fingerprint == data.fingerprint
    assert calls == ["mnist_784"]


def test_openml_cifar_comes_as_colour_images_split_by_seed(openml):
    images = pictures(40, 32, 32, 3)
    openml((images.transpose(0, 3, 1, 2).reshape(40, -1), np.arange(40) % 10))
    data = load("cifar10")
    np.testing.assert_array_equal(every(data), ordered(images))
    assert data.options == {"seed": 0, "holdout": 0.2}


# Real files


@pytest.fixture
def real():
    root = os.environ.get("SIMULACRA_DATA")
    if not root:
        pytest.skip("SIMULACRA_DATA is not set: it names the folder with mnist and cifar10_subset")
    return Path(root)


@pytest.mark.data
def test_mnist_loads_fast_with_its_published_split(real):
    if not (real / "mnist").is_dir():
        pytest.skip(f"{real} holds no mnist")
    start = time.process_time()
    data = load("mnist")
    assert time.process_time() - start < 5  # about 0.5 s; a decoder that walks rows in Python takes minutes
    assert data.train.values.shape == (60_000, 28, 28)
    assert data.holdout.values.shape == (10_000, 28, 28)
    assert data.train.labels is not None
    assert np.bincount(data.train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert data.train.values.mean() == pytest.approx(33.32, abs=0.01)


@pytest.mark.data
def test_real_photographs_load_from_class_folders(real):
    if not (real / "cifar10_subset").is_dir():
        pytest.skip(f"{real} holds no cifar10_subset")
    data = load(real / "cifar10_subset")
    assert data.classes == ("horse", "ship")
    assert data.train.values.shape == (1600, 32, 32, 3)
    assert data.notes == ()
    assert data.train.labels is not None
    assert np.bincount(data.train.labels).tolist() == [800, 800]
