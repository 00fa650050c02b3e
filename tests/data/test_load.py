import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulacra.data import MIN_EXAMPLES, NAMES, Split, kind, kind_of, load
from simulacra.data.points.densities import DENSITIES
from simulacra.data.split import split_rows
from simulacra.errors import SimulacraError


def points(n=60, d=3, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def pictures(n=40, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *(shape or (6, 5))), dtype=np.uint8)


def rows_of(dataset):
    return np.concatenate([dataset.train.values, dataset.holdout.values])


@pytest.mark.parametrize("name", DENSITIES)
def test_a_toy_is_drawn_by_its_seed(name):
    data = load(f"toy:{name}", seed=3)
    assert (data.kind, data.name, data.source) == ("points", f"toy:{name}", f"toy:{name}")
    assert data.density is DENSITIES[name]
    assert len(data.train) == len(data.holdout) == 50_000
    assert not np.array_equal(data.train.values, data.holdout.values)
    assert load(f"toy:{name}", seed=3).fingerprint == data.fingerprint
    assert load(f"toy:{name}", seed=4).fingerprint != data.fingerprint


def test_digits_are_uint8_images_in_ten_classes_that_fill_the_range():
    data = load("digits")
    assert data.train.values.dtype == np.uint8
    assert data.train.values.shape[1:] == (8, 8)
    assert (data.train.values.min(), data.train.values.max()) == (0, 255)
    assert len(data.train) + len(data.holdout) == 1797
    assert data.classes == tuple("0123456789")
    assert "1,797" not in repr(data)
    assert "359 held out, 10 classes" in repr(data)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((50,), "points"), ((50, 2), "points"), ((50, 784), "points"), ((50, 8, 8), "images"), ((50, 8, 8, 3), "images"),
     ((50, 3, 8, 8), "images"), ((50, 1, 8, 8), "images"), ((50, 8, 8, 1), "images")],
)  # fmt: skip
def test_the_number_of_axes_tells_points_from_images(shape, expected):
    values = np.random.default_rng(0).random(shape)
    assert kind_of(values) == expected
    data = load(values)
    assert data.kind == expected
    assert data.source is None
    # Nothing is lost or changed by splitting: the same rows, the same layout.
    flat = values.reshape(len(values), -1)
    assert sorted(map(tuple, rows_of(data).reshape(len(values), -1))) == sorted(map(tuple, flat))
    assert data.train.values.shape[1:] == (shape[1:] or (1,))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool", ">f4", ">i2"])
def test_the_dtype_stays_in_this_machines_byte_order(dtype):
    values = np.random.default_rng(0).integers(0, 2, (50, 2)).astype(dtype)
    assert load(values).train.values.dtype == np.dtype(dtype).newbyteorder("=")


def test_lists_are_arrays_too():
    assert load([[float(i), float(i * i)] for i in range(20)]).train.values.shape == (16, 2)


@given(
    st.lists(st.integers(0, 4), min_size=10, max_size=80), st.sampled_from([0.05, 0.2, 0.5, 0.9]), st.integers(0, 99)
)
@settings(max_examples=150, deadline=None)
def test_a_split_is_a_partition_with_the_same_share_of_each_class(labels, holdout, seed):
    labels = np.array(labels)
    n = len(labels)
    train, held = split_rows(n, labels, holdout, seed)
    assert sorted([*train, *held]) == list(range(n))
    for label, size in zip(*np.unique(labels, return_counts=True), strict=True):
        share = int((labels[held] == label).sum())
        assert share < size, "some of each class is learned from, so a single example is"
        exact = round(holdout * size, 9)
        assert min(size - 1, np.floor(exact)) <= share <= np.ceil(exact)
    again = split_rows(n, labels, holdout, seed)
    np.testing.assert_array_equal(again[0], train)


@given(st.integers(10, 200), st.floats(0.01, 0.99), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_without_labels_the_share_held_out_is_right(n, holdout, seed):
    train, held = split_rows(n, None, holdout, seed)
    assert sorted([*train, *held]) == list(range(n))
    assert len(held) == min(max(1, round(holdout * n)), n - 1)


def test_stratified_totals_are_right_where_classes_are_small():
    labels = np.repeat(np.arange(20), 4)  # a fifth of 4 rounds to 1 of 4; a fifth of 80 is 16
    _, held = split_rows(80, labels, 0.2, 0)
    assert len(held) == 16


def test_labels_follow_their_rows_through_the_split():
    values = np.arange(60.0)[:, None]
    data = load(values, labels=np.where(values[:, 0] < 30, "low", "high"))
    assert data.classes == ("high", "low")
    for split in (data.train, data.holdout):
        assert split.labels is not None
        assert split.labels.dtype == np.int64
        np.testing.assert_array_equal(split.labels == 1, split.values[:, 0] < 30)
    assert (data.train.of_class(1).values < 30).all()
    assert len(data.train.of_class(0)) + len(data.train.of_class(1)) == len(data.train)


def test_the_seed_changes_the_split_and_not_the_rows():
    values = points()
    one, same, other = load(values, seed=1), load(values, seed=1), load(values, seed=2)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert sorted(map(tuple, rows_of(one))) == sorted(map(tuple, rows_of(other)))


def test_the_fingerprint_follows_content():
    values, labels = points(), np.arange(60) % 3
    base = load(values, labels=labels).fingerprint
    nudged = values.copy()
    nudged[17, 1] += 1e-9
    swapped = labels.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    others = [load(nudged, labels=labels), load(values, labels=swapped), load(values.astype(np.float32), labels=labels)]
    others += [load(values), load(values, labels=labels, seed=1), load(values, labels=labels, holdout=0.3)]
    assert len({base, *(other.fingerprint for other in others)}) == 7


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_files_of_arrays_give_what_the_arrays_give(tmp_path, suffix):
    for values in (points(), points().astype(np.int32), pictures(), pictures(40, 6, 5, 3)):
        path = tmp_path / f"some.thing{suffix}"
        np.save(path, values) if suffix == ".npy" else np.savez(path, x=values)
        data = load(path)
        assert data.fingerprint == load(values).fingerprint
        assert kind_of(path) == kind_of(str(path)) == data.kind
        assert data.source == str(path.resolve())
        assert data.name == "some"


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("X", "Y"), ("images", "labels"), ("data", "label"), ("arr_0", "y")])
def test_npz_keys_are_found(tmp_path, x, y):
    np.savez(tmp_path / "a.npz", **{x: pictures(), y: np.arange(40) % 4, "extra": np.zeros(2)})
    data = load(tmp_path / "a.npz")
    assert data.classes == ("0", "1", "2", "3")
    assert data.fingerprint == load(pictures(), labels=np.arange(40) % 4).fingerprint


def test_a_lone_array_of_any_name_is_the_data(tmp_path):
    np.savez(tmp_path / "a.npz", whatever=points(), y=np.arange(60) % 2)
    assert load(tmp_path / "a.npz").num_classes == 2
    np.savez(tmp_path / "b.npz", this=points(), that=points())
    for function in (load, kind_of):
        with pytest.raises(SimulacraError, match="this, that: name the examples x"):
            function(tmp_path / "b.npz")


def test_a_published_split_in_npz_is_kept(tmp_path):
    train, test = pictures(), pictures(20, seed=1)
    np.savez(tmp_path / "a.npz", x_train=train, y_train=np.arange(40) % 4, x_test=test, y_test=np.arange(20) % 4)
    data = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.train.values, train)
    np.testing.assert_array_equal(data.holdout.values, test)
    assert data.num_classes == 4
    assert data.options == {}
    assert load(tmp_path / "a.npz", seed=5).fingerprint == data.fingerprint


@pytest.mark.parametrize(
    "options",
    [{}, {"seed": 5}, {"holdout": 0.4}, {"labels": False}, {"labels": [0, 1] * 20}, {"labels": "file"}, {"size": 4}],
)
def test_source_and_options_give_the_dataset_again(tmp_path, options):
    np.savez(tmp_path / "a.npz", x=pictures(), y=np.arange(40) % 4)
    np.save(tmp_path / "labels.npy", np.arange(40) % 5)
    if options.get("labels") == "file":
        options = {"labels": tmp_path / "labels.npy"}
    data = load(tmp_path / "a.npz", **options)
    again = load(data.source, **json.loads(json.dumps(data.options)))
    assert again.fingerprint == data.fingerprint
    assert again.options == data.options
    assert again.classes == data.classes


def test_labels_can_be_ignored_or_replaced(tmp_path):
    np.savez(tmp_path / "a.npz", x=pictures(), y=np.arange(40) % 4)
    assert load(tmp_path / "a.npz", labels=False).train.labels is None
    assert load(tmp_path / "a.npz", labels=["a", "b"] * 20).classes == ("a", "b")
    lone = load(pictures(), labels=np.zeros(40))
    assert lone.classes == ()
    assert 'one class, "0"' in lone.notes[0]


def test_size_crops_and_resizes_arrays_in_any_layout():
    values = pictures(20, 9, 15, 3)
    last, first = load(values, size=4), load(values.transpose(0, 3, 1, 2), size=4)
    assert last.train.values.shape == (16, 4, 4, 3)
    assert first.train.values.shape == (16, 3, 4, 4)
    np.testing.assert_array_equal(first.train.values.transpose(0, 2, 3, 1), last.train.values)
    # The crop is central: what lies to the left and right of the middle square leaves no trace.
    marked = values.copy()
    marked[:, :, :3] = marked[:, :, 12:] = 0
    assert load(marked, size=4).fingerprint == last.fingerprint


@pytest.mark.parametrize("dtype", ["bool", "uint16", "float64", "float32", "int64"])
def test_resizing_keeps_dtype_and_range(dtype):
    values = (pictures(20, 12, 12) / 255).round() if dtype == "bool" else pictures(20, 12, 12) / 255
    values = (values if np.dtype(dtype).kind in "fb" else values * 255).astype(dtype)
    small = load(values, size=5).train.values
    assert small.dtype == dtype
    assert small.shape == (16, 5, 5)
    assert small.min() >= values.min()
    assert small.max() <= values.max()
    assert abs(small.mean() - values.mean()) < 0.1 * values.max()


def test_take_selects_values_and_labels_together():
    split = Split(np.arange(5)[:, None], np.arange(5))
    np.testing.assert_array_equal(split.take([3, 1]).labels, [3, 1])
    assert split.take(np.arange(5) > 2).values.ravel().tolist() == [3, 4]
    with pytest.raises(SimulacraError, match="no labels"):
        Split(np.zeros((3, 1))).of_class(0)


def nan_in_row_7():
    values = points()
    values[7, 1], values[9, 0], values[9, 2] = np.nan, np.inf, np.nan
    return values


def nan_in_picture_2():
    values = pictures() / 255
    values[2, 3, 3] = np.nan
    return values


BAD_ARRAYS = {
    "nan": (nan_in_row_7(), r"3 values are NaN or infinite, the first in row 7 "),
    "nan in images": (nan_in_picture_2(), r"1 value is NaN or infinite, the first in row 2 "),
    "one example": (np.zeros((1, 2)), rf"\(1, 2\): pass at least {MIN_EXAMPLES}"),
    "one image": (np.zeros((1, 8, 8)), rf"pass at least {MIN_EXAMPLES}"),
    "empty": (np.zeros((0, 2)), rf"\(0, 2\): pass at least {MIN_EXAMPLES}"),
    "no columns": (np.zeros((50, 0)), "at least one number each"),
    "constant column": (np.column_stack([points(), np.full(60, 4.5)]), r"column 3 .* is 4\.5 in all 48 training rows"),
    "constant pixels": (np.full((50, 4, 4), 7, np.uint8), "every pixel is 7"),
    "one picture": (np.repeat(pictures(1), 50, axis=0), "all are one picture"),
    "object": (np.array([[1, None]] * 20, dtype=object), "Python objects"),
    "string": (np.array([["a", "b"]] * 20), "text"),
    "complex": (points() + 1j, "complex numbers"),
    "dates": (np.arange(20).astype("datetime64[D]"), "datetime64"),
    "ragged": ([[1.0, 2.0], [3.0]] * 10, "no array of numbers"),
    "scalar": (np.float64(3), r"has shape \(\)"),
    "five axes": (np.zeros((20, 2, 2, 2, 2)), r"has shape \(20, 2, 2, 2, 2\)"),
    "no channels": (np.zeros((20, 7, 8, 9)), "1, 3 or 4 channels"),
    "strange range": (pictures() * 10.0, r"from .* to .*: scale them to \[0, 1\]"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_arrays_are_refused_in_one_line_that_says_what_to_do(case):
    values, message = BAD_ARRAYS[case]
    with pytest.raises(SimulacraError, match=message) as caught:
        load(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", ["object", "string", "complex", "ragged", "scalar", "five axes", "no channels"])
def test_kind_of_refuses_what_load_refuses(case):
    values, message = BAD_ARRAYS[case]
    with pytest.raises(SimulacraError, match=message):
        kind_of(values)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], "60 examples but 2 labels"),
        (0, "60 examples but 1 labels"),
        (np.zeros((60, 2)), r"labels of shape \(60, 2\)"),
        (np.arange(60), "not classes"),
        (np.linspace(0, 1, 60), "dtype float64 are no classes"),
        ([None] * 60, "are no classes"),
        ("nowhere.npy", "no file"),
    ],
)
def test_bad_labels_are_refused(labels, message):
    with pytest.raises(SimulacraError, match=message):
        load(points(), labels=labels)


def test_classes_of_one_example_each_are_learned_from_or_refused():
    labels = np.arange(60) % 3
    labels[11] = 9
    data = load(points(), labels=labels)
    assert data.train.labels is not None
    assert data.holdout.labels is not None
    assert (data.train.labels == 3).sum() == 1
    assert not (data.holdout.labels == 3).any()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("toy:rnig", 'no toy "rnig": did you mean "ring"'),
        ("toy:", "no toy"),
        ("digist", 'did you mean "digits"'),
        ("minst", 'did you mean "mnist"'),
        ("", "no file, folder or data set"),
        ("no/such/folder", "no file, folder or data set"),
    ],
)
def test_unknown_names_are_met_with_the_nearest_known_one(source, message):
    for function in (load, kind_of):
        with pytest.raises(SimulacraError, match=message):
            function(source)


def test_unknown_kinds_and_missing_paths_are_named(tmp_path):
    with pytest.raises(SimulacraError, match='did you mean "points"'):
        kind("point")
    for function in (load, kind_of):
        with pytest.raises(SimulacraError, match=r"no file or folder .*gone"):
            function(tmp_path / "gone")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed -1"),
        ({"seed": 0.5}, "seed 0.5"),
        ({"holdout": 0}, "holdout 0"),
        ({"holdout": 1.0}, "holdout 1.0"),
        ({"size": 0}, "size 0"),
        ({"size": 2.5}, "size 2.5"),
        ({"size": 8}, "holds points"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(SimulacraError, match=message):
        load(points(), **options)


def test_images_without_pixels_cannot_be_resized_either():
    with pytest.raises(SimulacraError, match="at least one number each"):
        load(np.zeros((20, 0, 3)), size=8)


def test_toys_have_nothing_to_resize():
    with pytest.raises(SimulacraError, match="no images to resize"):
        load("toy:ring", size=8)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickles_are_never_opened(tmp_path, suffix):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was opened",))

    path, values = tmp_path / f"a{suffix}", np.array([Bomb()] * 20, dtype=object)
    np.save(path, values, allow_pickle=True) if suffix == ".npy" else np.savez(path, x=values)
    for function in (load, kind_of):
        with pytest.raises(SimulacraError, match=r"Python objects.*(save it as|pass real) numbers"):
            function(path)
    path.write_bytes(b"\x80\x04N.")
    for function in (load, kind_of):
        with pytest.raises(SimulacraError, match="never opened"):
            function(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.95])
def test_files_cut_short_are_refused_by_name(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    np.save(path, points()) if suffix == ".npy" else np.savez_compressed(path, x=points())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(SimulacraError, match=f"a{suffix}: damaged"):
        load(path)


def test_a_flipped_byte_in_a_compressed_array_is_noticed(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=pictures(100))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(SimulacraError, match=r"a\.npz: damaged"):
        load(tmp_path / "a.npz")


def test_peeking_and_densities_import_nothing_heavy():
    code = (
        "import sys, simulacra.data as data; data.kind_of('toy:ring'); data.load('toy:bimodal');"
        "assert not {'torch', 'sklearn', 'PIL', 'matplotlib', 'scipy'} & sys.modules.keys(), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_are_images_without_reading_them():
    assert {kind_of(name) for name in NAMES} == {"images"}
