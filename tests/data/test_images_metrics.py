"""Laws of the figures of images: closed forms, hand-made manifolds, copies, lost classes, and the features' cache."""

import numpy as np
import pytest
import torch

import simulacra as sim
from simulacra.data.images import features
from simulacra.data.images.metrics import ABOUT, Manifold, frechet, gaussian_images, measures, moments, nearest, radii


@pytest.fixture(scope="module")
def digits():
    return sim.load("digits")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMULACRA_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def measure(digits):
    return measures(digits, len(digits.holdout), 0)


def test_frechet_distance_of_commuting_gaussians_has_its_closed_form():
    reference = moments(np.random.default_rng(0).standard_normal((2_000, 3)) * [1, 2, 3])
    values, axes = np.linalg.eigh(reference.cov)
    shift, sds = np.array([1.0, -2.0, 0.5]), np.array([0.5, 1.0, 0.0])  # a singular covariance is allowed
    ours = frechet(reference.mean + shift, axes * sds**2 @ axes.T, reference)
    assert ours == pytest.approx((shift**2).sum() + ((np.sqrt(values) - sds) ** 2).sum())


def test_frechet_distance_to_itself_is_zero():
    reference = moments(np.random.default_rng(0).standard_normal((50, 64)))  # fewer examples than features
    assert frechet(reference.mean, reference.cov, reference) == pytest.approx(0, abs=1e-5)


def test_radii_are_the_distances_to_the_nearest_others():
    line = np.array([[0.0], [1.0], [3.0], [7.0], [15.0]])
    np.testing.assert_allclose(radii(line, (1, 3)), np.array([[1, 7], [1, 6], [2, 4], [4, 7], [8, 14]]) ** 2.0)


def test_manifold_figures_of_a_hand_made_case():
    real = np.arange(10.0)[:, None]
    samples = np.array([[4.5], [4.6], [4.4], [4.55], [100.0]])
    items = Manifold(real)(samples)
    assert items["precision"].tolist() == [1, 1, 1, 1, 0]
    # The balls of the first four reach 0.1 to 0.2, so hold no real example; that of 100 reaches down to 4.6.
    assert items["recall"].tolist() == [False] * 5 + [True] * 5
    # The fifth neighbours of the real ones are 5 4 3 3 3 3 3 3 4 5 away, so all ten balls hold 4.5.
    assert items["density"][0] == pytest.approx(10 / 5)
    assert items["density"][4] == 0
    assert items["coverage"].all()


def test_manifold_figures_of_a_sample_of_the_same_distribution_are_near_those_expected():
    rng = np.random.default_rng(0)
    real, same, far = rng.standard_normal((3, 1000, 2)) + np.array([0, 0, 50])[:, None, None]
    items = {name: item.mean() for name, item in Manifold(real)(same).items()}
    assert items["precision"] > 0.9
    assert items["recall"] > 0.9
    assert items["density"] == pytest.approx(1, abs=0.1)
    assert items["coverage"] == pytest.approx(1 - 0.5**5, abs=0.03)  # Naeem et al. 2020, section 3.3
    assert all(item.sum() == 0 for item in Manifold(real)(far).values())


def test_nearest_agrees_with_brute_force():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((700, 8)).astype(np.float32), rng.standard_normal((3500, 8)).astype(np.float32)
    index, distance = nearest(a, b)
    brute = np.linalg.norm(a[:, None] - b[None], axis=-1)
    np.testing.assert_array_equal(index, brute.argmin(axis=1))
    np.testing.assert_allclose(distance, brute.min(axis=1), rtol=1e-4)


def test_copies_of_training_examples_are_flagged(digits, measure):
    figures, details = measure(digits.train.values[:359])
    assert figures["copies"].value == 1
    assert figures["nearest_train"].value == pytest.approx(0, abs=0.01)
    assert [pair["train"] for pair in details["nearest"]["first"]] == list(range(16))
    assert measure(measure.real).estimates["copies"].value == pytest.approx(0.01, abs=0.005)
    assert measure(measure.real).estimates["nearest_train"].value == 1


def test_a_lost_class_is_flagged(digits, measure):
    figures, details = measure(digits.holdout.take(digits.holdout.labels != 3).values)
    assert details["missing"] == ["3"]
    assert figures["class_tv"].value == pytest.approx(0.1, abs=0.03)
    assert figures["class_share_min"].value < 0.02


def test_held_out_examples_are_near_ideal_and_the_baseline_is_not(measure):
    real, gaussian = measure(measure.real, bootstrap=20).estimates, measure(measure.gaussian).estimates
    assert list(real) == [name for name in ABOUT if name in real]
    assert real["frechet"].value < gaussian["frechet"].value / 5
    assert real["precision"].value > gaussian["precision"].value + 0.2
    assert all(estimate.error > 0 for estimate in real.values())


def test_the_baseline_has_the_type_and_the_moments_of_the_images(digits):
    draws = gaussian_images(digits, 2000, 0)
    assert draws.dtype == digits.train.values.dtype
    assert draws.shape == (2000, 8, 8)
    middle = np.s_[:, 3:5, 3:5]  # far from black, where clipping changes little
    assert np.abs(draws[middle].mean(axis=0) - digits.train.values[middle].mean(axis=0)).max() < 12


def test_the_classifier_recognises_digits_and_is_cached(digits, cache):
    path = features.cache_path(digits)
    path.unlink(missing_ok=True)
    first, seen = features.extractor(digits)(digits.holdout.values)
    assert (seen == digits.holdout.labels).mean() > 0.95
    assert path.parent.parent == cache
    written = path.stat().st_mtime_ns
    again, _ = features.extractor(digits)(digits.holdout.values)
    np.testing.assert_array_equal(first, again)
    assert path.stat().st_mtime_ns == written


def test_features_are_the_same_whatever_the_number_of_threads_and_the_global_seed(digits):
    few = sim.load(digits.train.values[:300], labels=digits.train.labels[:300])
    found = []
    for threads in (1, 2):
        features.cache_path(few).unlink(missing_ok=True)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        torch.manual_seed(threads)
        try:
            found.append(features.extractor(few)(few.holdout.values)[0])
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("damage", ["cut", "flip", "garbage", "empty"])
def test_a_damaged_cache_is_rebuilt(digits, damage):
    few = sim.load(digits.train.values[:200], labels=digits.train.labels[:200])
    first, _ = features.extractor(few)(few.holdout.values)
    path = features.cache_path(few)
    whole = path.read_bytes()
    flipped = whole[:-400] + bytes([whole[-400] ^ 64]) + whole[-399:]
    path.write_bytes({"cut": whole[:-50], "flip": flipped, "garbage": b"\x00" * 500, "empty": b""}[damage])
    again, _ = features.extractor(few)(few.holdout.values)
    np.testing.assert_array_equal(first, again)
    assert path.read_bytes() == whole


def test_an_unwritable_cache_costs_nothing_but_time(digits, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SIMULACRA_CACHE", str(tmp_path / "file"))
    few = sim.load(digits.train.values[:200], labels=digits.train.labels[:200])
    assert features.extractor(few)(few.holdout.values)[0].shape == (40, 64)


def test_without_labels_features_are_principal_components(digits):
    data = sim.load("digits", labels=False)
    extract = features.extractor(data)
    found, seen = extract(data.train.values)
    assert seen is None
    assert found.shape[1] <= 64
    np.testing.assert_allclose(np.cov(found.T), np.diag(found.var(axis=0, ddof=1)), atol=0.05)  # uncorrelated
    np.testing.assert_array_equal(found, features.extractor(data)(data.train.values)[0])
    measured = measures(data, 100, 0)(data.holdout.values[:100])
    assert "class_tv" not in measured.estimates
    assert measured.details["classifier_accuracy"] is None


@pytest.mark.parametrize("shape", [(40, 48, 3), (3, 12, 7), (2, 2), (1, 3)])
def test_images_of_any_layout_and_size_have_features(shape):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (60, *shape), dtype=np.uint8)
    data = sim.load(values, labels=rng.integers(0, 2, 60))
    found, seen = features.extractor(data)(data.holdout.values)
    assert np.isfinite(found).all()
    assert seen is not None
    measure = measures(data, 50, 0)
    assert np.isfinite(measure(measure.gaussian).estimates["frechet"].value)
