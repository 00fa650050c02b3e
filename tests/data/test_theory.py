"""The theory, drawn and measured: what the numbers must equal, and what every drawing must hold."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, ndtr

from simulacra import curves
from simulacra.data.points import encodings, figures, latents, theory
from simulacra.data.points.densities import DENSITIES
from simulacra.data.points.metrics import jensen_shannon
from simulacra.data.split import Dataset, Split
from simulacra.evaluation import Evaluation
from simulacra.report import write_report
from simulacra.run import Snapshot
from simulacra.verdict import Verdict

X = np.linspace(-8, 8, 4001)
BIMODAL, ONE = DENSITIES["bimodal"], DENSITIES["one-gaussian"]


def dataset_of(name, n=4000):
    density, rng = DENSITIES[name], np.random.default_rng(0)
    train, holdout = (Split(density.sample(n, rng)) for _ in range(2))
    return Dataset(f"toy:{name}", "points", f"toy:{name}", train, holdout, (), "0" * 16, density)


def without_density(dataset):
    return Dataset("table", "points", None, dataset.train, dataset.holdout, (), "0" * 16)


class Model:
    """Has every method of its family; its z are the data, moved to their mean and spread, and it ignores what is left.

    Snapshots come nearer and nearer to the data.
    """

    def __init__(self, family, dataset, path=None, *, latent_dim=None, loss="non-saturating"):
        self.family, self.dataset_, self.dim = family, dataset, dataset.train.values.shape[1]
        self.latent_dim = latent_dim or self.dim
        self.config_ = SimpleNamespace(
            loss=loss, latent_dim=self.latent_dim, sigma_min=0.01, sigma_max=20.0, prior="aggregate"
        )
        self.mean, self.scale = dataset.train.values.mean(axis=0), dataset.train.values.std(axis=0)
        self.codec_ = SimpleNamespace(log_scale=float(np.log(self.scale).sum()), space=SimpleNamespace(num_classes=0))
        self.num_parameters_, self.score_name_ = 1, "log-likelihood"
        self.run_ = SimpleNamespace(
            path=path,
            status="finished",
            config={"options": {"loss": loss}},
            events=lambda: [event_of(family, step) for step in (1, 50, 100, 150)],
            snapshots=lambda: [Snapshot(k, self.draw_values(800, seed=k) / (1 + 9 / (1 + k))) for k in (0, 10, 100)],
        )

    def draw_values(self, n, *, seed=0):
        values = self.dataset_.train.values
        return values[np.random.default_rng(seed).integers(0, len(values), n)]

    def discriminate(self, values):
        return np.full(len(values), 0.5)

    def denoise(self, values, sigma):
        return self.mean + (values - self.mean) / (1 + sigma**2)

    def score_samples(self, values):
        return -0.5 * (np.asarray(values) ** 2).sum(axis=1)

    def encode(self, values):
        z = np.zeros((len(values), self.latent_dim))
        shared = min(self.dim, self.latent_dim)
        z[:, :shared] = ((values - self.mean) / self.scale)[:, :shared]
        return z, np.where(np.arange(self.latent_dim) < shared, 0.2, 1.0) * np.ones_like(z)

    def decode(self, z):
        x = np.zeros((len(z), self.dim))
        shared = min(self.dim, self.latent_dim)
        x[:, :shared] = z[:, :shared]
        return x * self.scale + self.mean

    def trajectory(self, n, *, seed=0, sampler=None, sampling_steps=None):
        clean, noise = self.draw_values(n, seed=seed), np.random.default_rng(seed).standard_normal((n, self.dim))
        for sigma in (20.0, 5.0, 1.0, 0.3, 0.1, 0.0):
            yield sigma, clean + sigma * noise * self.scale


def event_of(family, step):
    logs = {
        "gan": {"discriminator/loss": 1.3, "generator/loss": 0.7, "discriminator/adversarial": 1.2},
        "vae": {"vae/loss": 2.0, "vae/recon": 1.5, "vae/kl": 0.75, "vae/elbo": -2.25, "vae/sigma": 0.5},
        "diffusion": {"denoiser/loss": 1.0},
    }[family]
    return {"step": step, "elapsed": 0.01 * step} | logs


# --- divergences and discriminators ------------------------------------------------------------------------------


def loss_of(logits, p, q):
    """The discriminator's loss against two densities on the grid X, in nats."""
    return np.trapezoid(p * np.logaddexp(0, -logits) + q * np.logaddexp(0, logits), X)


def pair_of_densities():
    return (np.exp(density.log_prob(X[:, None])) for density in (BIMODAL, ONE))


def test_what_the_best_discriminators_loss_implies_is_the_jensen_shannon_divergence():
    p, q = pair_of_densities()
    best = BIMODAL.log_prob(X[:, None]) - ONE.log_prob(X[:, None])  # logit of p / (p + q)
    implied = theory.implied_divergence(loss_of(best, p, q))
    assert implied == pytest.approx(jensen_shannon(p, q), abs=1e-9)
    assert 0.1 < implied < np.log(2)


def test_equal_densities_have_the_loss_log_4_and_imply_nothing():
    p, _ = pair_of_densities()
    assert loss_of(np.zeros_like(X), p, p) == pytest.approx(np.log(4))
    assert theory.implied_divergence(loss_of(np.zeros_like(X), p, p)) == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_no_other_discriminator_implies_more_than_the_divergence(seed, size):
    p, q = pair_of_densities()
    logits = np.interp(X, np.linspace(-8, 8, 20), size * np.random.default_rng(seed).standard_normal(20))
    assert theory.implied_divergence(loss_of(logits, p, q)) <= jensen_shannon(p, q) + 1e-9


@pytest.mark.parametrize("name", ["bimodal", "four-gaussians"])
def test_divergences_run_from_the_floor_to_log_2(name):
    dataset = dataset_of(name)
    real = dataset.density.sample(2000, np.random.default_rng(7))
    found, floor, size = theory.divergences([real, real + 1000, real * 0.7], dataset)
    assert size == 2000
    assert found[0] == pytest.approx(floor, rel=0.25)
    assert found[1] == pytest.approx(np.log(2), abs=1e-3)
    assert floor < found[2] < np.log(2)


def test_a_small_holdout_makes_floor_and_samples_equally_small():
    dataset = without_density(dataset_of("bimodal", n=300))
    found, floor, size = theory.divergences([dataset.train.values[:250], DENSITIES["bimodal"].modes[[0] * 5]], dataset)
    assert size == 250
    assert floor < 0.2 < found[1]


def test_best_discriminator_is_half_where_densities_agree():
    samples = BIMODAL.sample(200_000, np.random.default_rng(1))[:, 0]
    grid = np.linspace(-4, 4, 401)
    best = theory.best_discriminator(grid, samples, dataset_of("bimodal"))
    likely = np.exp(BIMODAL.log_prob(grid[:, None])) > 0.05
    assert np.abs(best[likely] - 0.5).max() < 0.02


def test_best_discriminator_is_p_over_p_plus_q_for_two_known_densities():
    dataset = dataset_of("bimodal")
    samples = ONE.sample(200_000, np.random.default_rng(1))[:, 0]  # the right one of p's two modes
    grid = np.linspace(-4, 4, 401)
    best = theory.best_discriminator(grid, samples, dataset)
    assert best[np.searchsorted(grid, 2.0)] == pytest.approx(1 / 3, abs=0.01)  # p = q / 2 there
    assert best[np.searchsorted(grid, -2.0)] == pytest.approx(1.0, abs=0.01)
    assert np.isnan(theory.best_discriminator(np.linspace(-40, 40, 401), samples, dataset)[0])


def test_a_shift_of_the_logit_is_taken_out_and_nothing_else():
    ideal = np.array([0.2, 0.5, np.nan, 0.9])
    logits = np.log(np.array([0.2, 0.5, 0.5, 0.9]) / np.array([0.8, 0.5, 0.5, 0.1]))
    found = theory.without_constant(expit(logits + 3), ideal)
    np.testing.assert_allclose(found[[0, 1, 3]], ideal[[0, 1, 3]], atol=1e-9)


# --- training ----------------------------------------------------------------------------------------------------


def test_the_ridge_draws_one_line_a_snapshot_and_every_bar_to_the_datas_scale():
    x = np.linspace(*BIMODAL.bounds[0], 161)
    exact = np.exp(BIMODAL.log_prob(x[:, None]))
    sets = [BIMODAL.sample(20_000, np.random.default_rng(k)) for k in range(3)]
    axes = theory.ridge([0, 10, 1000], sets, x, exact).axes[0]
    assert len(axes.lines) == 3
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "10", "1,000"]
    for row, line in enumerate(axes.lines):
        heights = row - line.get_ydata()  # the axis points down
        assert heights.max() == pytest.approx(0.75, rel=0.1)  # as tall as the data's own density
        assert heights.min() >= 0


def test_a_collapsed_row_of_the_ridge_is_cut_and_does_not_shrink_the_others():
    x = np.linspace(*BIMODAL.bounds[0], 161)
    exact = np.exp(BIMODAL.log_prob(x[:, None]))
    rows = [np.full((500, 1), 0.5), BIMODAL.sample(20_000, np.random.default_rng(0))]
    axes = theory.ridge([0, 10], rows, x, exact).axes[0]
    assert axes.get_ylim()[1] < axes.lines[0].get_ydata().min() < -1  # the cut bar is tall, and inside the axes
    assert (1 - axes.lines[1].get_ydata()).max() == pytest.approx(0.75, rel=0.1)


def test_the_implied_divergence_is_drawn_for_losses_that_imply_one():
    dataset = dataset_of("bimodal")
    for loss, told in (("minimax", True), ("non-saturating", True), ("relativistic", False), ("least-squares", False)):
        found = figures.insight(Model("gan", dataset, loss=loss), dataset, dataset.holdout.values)
        drawn = next(picture for picture in found if picture.title == "Distance from the data").drawing
        lines = {line.get_label(): line for line in drawn.axes[0].lines}
        assert ("implied by D's loss" in lines) is told
        if told:
            np.testing.assert_allclose(lines["implied by D's loss"].get_ydata(), (np.log(4) - 1.2) / 2)


def test_the_games_value_is_minus_ds_loss_beside_minus_log_4():
    events = [{"step": k, "discriminator/loss": 2.0, "discriminator/adversarial": 1.0 + k / 10} for k in range(1, 4)]
    found = {picture.title: picture.drawing for picture in curves.pictures(events, {"loss": "minimax"})}
    lines = {line.get_label(): line.get_ydata() for line in found["Value of the game"].axes[0].lines}
    assert lines["-log 4"][0] == pytest.approx(-np.log(4))
    np.testing.assert_allclose(lines["V(D, G)"], [-1.1, -1.2, -1.3])
    for loss in ("relativistic", "hinge", "wasserstein", "least-squares"):
        assert "Value of the game" not in [picture.title for picture in curves.pictures(events, {"loss": loss})]


def test_the_terms_of_the_bound_add_up_and_are_drawn_once():
    events = [event_of("vae", step) for step in (1, 50, 100)]
    found = curves.pictures(events, {})
    (terms,) = [picture.drawing for picture in found if picture.title == "The two terms of the bound"]
    above, below = ({line.get_label(): line.get_ydata() for line in axes.lines} for axes in terms.axes)
    np.testing.assert_allclose(above["sum, minus the ELBO"], above["reconstruction"] + below["KL"])
    np.testing.assert_allclose(above["sum, minus the ELBO"], 2.25)
    titles = [picture.title for picture in found]
    assert not {"Reconstruction", "KL term", "Evidence lower bound"} & set(titles)
    assert "Decoder's noise" in titles


# --- from z to data ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_the_quantile_function_is_the_inverse_of_the_distribution_function(known):
    dataset = dataset_of("bimodal", n=50_000)
    found = latents.quantiles(dataset if known else without_density(dataset), np.array([0.1, 0.25, 0.5, 0.75, 0.9]))
    below = [0.5 * (ndtr((x + 2) / 0.5) + ndtr((x - 2) / 0.5)) for x in found]
    np.testing.assert_allclose(below, [0.1, 0.25, 0.5, 0.75, 0.9], atol=1e-3 if known else 0.01)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_monotone_generator_is_drawn_monotone_and_on_the_monotone_map(sign):
    dataset, z = dataset_of("bimodal"), np.linspace(-3, 3, 201)
    curve = latents.sweep(lambda z: latents.quantiles(dataset, ndtr(sign * z)), 1, 0, z, count=1)[:, :, 0]
    assert (sign * np.diff(curve[:, 0]) > 0).all()
    ideal = latents.monotone_transport(dataset, z, curve[:, 0])
    np.testing.assert_allclose(ideal, curve[:, 0])
    axes = latents.transport(z, curve, X, X * 0, ideal=ideal).axes[0]
    drawn = axes.lines[0].get_ydata()
    assert (sign * np.diff(drawn) > 0).all()
    assert axes.get_xlabel() == "z"


def test_the_monotone_map_makes_the_data_of_normal_latents():
    dataset = dataset_of("bimodal")
    z = np.random.default_rng(0).standard_normal(20_000)
    values = latents.monotone_transport(dataset, z, z)[:, None]
    found, floor, _ = theory.divergences([values], dataset)
    assert found[0] < 1.5 * floor


def test_a_sweep_moves_one_coordinate_and_leaves_the_others():
    z = np.linspace(-1, 1, 5)
    values = latents.sweep(lambda z: z, 3, 1, z, count=4)
    np.testing.assert_array_equal(values[:, :, 1], np.tile(z[:, None], (1, 4)))
    assert (values[:, :, [0, 2]] == values[0, :, [0, 2]].T).all()
    assert len(np.unique(values[0, :, 0])) == 4


def test_activity_is_the_share_that_a_coordinate_has_and_0_where_it_is_ignored():
    moved = latents.activity(lambda z: np.stack([3 * z[:, 0], z[:, 2]], axis=1), 3)
    assert moved[1] == pytest.approx(0, abs=1e-20)
    assert moved[0] == pytest.approx(9 * moved[2])


def test_a_circle_holds_its_share_of_the_latents():
    shares = np.array([0.1, 0.5, 0.9])
    found = latents.circles(lambda z: z, 4, (1, 3), shares)
    assert found.shape == (3, 721, 4)
    assert not found[:, :, [0, 2]].any()
    radius = np.linalg.norm(found, axis=2)
    inside = np.linalg.norm(np.random.default_rng(0).standard_normal((200_000, 2)), axis=1)
    for k, share in enumerate(shares):
        np.testing.assert_allclose(radius[k], radius[k, 0])
        assert (inside < radius[k, 0]).mean() == pytest.approx(share, abs=0.005)


def test_a_lattice_through_the_identity_is_straight():
    first, second = latents.lattice(lambda z: z, np.zeros(3), (0, 2), (np.array([-1.0, 1]), np.array([0.0, 2, 4])))
    assert (first.shape, second.shape) == ((2, 161, 3), (3, 161, 3))
    assert (first[0, :, 0] == -1).all()
    assert (first[0, 0, 2], first[0, -1, 2]) == (0, 4)
    assert (second[1, :, 2] == 2).all()


# --- diffusion ---------------------------------------------------------------------------------------------------


def test_a_noised_mixture_is_the_exact_one_and_blurring_agrees_with_it():
    dataset = dataset_of("bimodal")
    found = theory.noised(dataset, [X], 0.7)
    np.testing.assert_allclose(found, np.exp(BIMODAL.log_prob(X[:, None], 0.7)))
    plain = SimpleNamespace(log_prob=BIMODAL.log_prob)  # a density that does not know its noised self
    blurred = Dataset("toy", "points", None, dataset.train, dataset.holdout, (), "0" * 16, plain)
    np.testing.assert_allclose(theory.noised(blurred, [X], 0.7), found, atol=1e-4)
    estimated = theory.noised(without_density(dataset_of("bimodal", n=40_000)), [X], 0.7)
    np.testing.assert_allclose(estimated, found, atol=0.01)


@pytest.mark.parametrize("name", ["ring", "checkerboard"])
def test_noise_along_two_axes_keeps_the_mass_and_adds_its_variance(name):
    x, y = np.linspace(-9, 9, 301), np.linspace(-8, 8, 281)
    dataset = dataset_of(name)
    tables = [theory.noised(dataset, [x, y], np.array(sigma)) for sigma in ((0.0, 0.0), (0.5, 1.0))]
    cell = (x[1] - x[0]) * (y[1] - y[0])
    moments = []
    for table in tables:
        assert table.shape == (281, 301)
        assert table.sum() * cell == pytest.approx(1, abs=0.03)
        weights = table / table.sum()
        moments.append([(weights.sum(axis=0) * x**2).sum(), (weights.sum(axis=1) * y**2).sum()])
    np.testing.assert_allclose(np.subtract(*moments[::-1]), [0.25, 1.0], atol=0.01)


def test_shrunk_noise_has_the_spread_of_the_data_at_every_level():
    rng = np.random.default_rng(0)
    clean, noise = rng.standard_normal((2, 100_000, 1))
    for sigma in (0.0, 0.3, 3.0, 80.0):
        found = theory.shrunk(5 + clean + sigma * noise, sigma, np.array([5.0]))
        assert found.mean() == pytest.approx(5, abs=0.02)
        assert found.std() == pytest.approx(1, abs=0.01)


def test_walks_draw_a_path_for_each_sample_that_ends_where_the_sample_is():
    sigmas, paths = np.array([5.0, 1.0, 0.0]), np.random.default_rng(0).standard_normal((3, 7))
    levels = np.geomspace(0.02, 5, 10)
    axes = theory.walks(sigmas, paths, np.linspace(-3, 3, 5), levels, np.ones((5, 10))).axes[0]
    ends = [line.get_ydata()[-1] for line in axes.lines[:7]]
    np.testing.assert_array_equal(ends, paths[-1])
    assert all(line.get_xdata()[-1] == levels[0] for line in axes.lines[:7])  # noise level 0 is at the left edge


# --- encodings ---------------------------------------------------------------------------------------------------


def test_an_ellipse_has_its_posteriors_mean_and_two_standard_deviations_of_width():
    values = np.random.default_rng(0).standard_normal((40, 2))
    mean, sd = values @ np.array([[1.0, 0, 2], [0, 1, 0]]), np.tile([0.1, 0.2, 0.3], (40, 1))
    axes = encodings.encodings(values, mean, sd, (1, 2)).axes[0]
    ellipses = axes.collections[0]
    np.testing.assert_allclose(ellipses.get_offsets(), mean[:, [1, 2]])
    np.testing.assert_allclose([ellipses.get_widths()[0], ellipses.get_heights()[0]], [0.4, 0.6])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z₂", "z₃")


def test_the_most_active_latents_are_shown():
    dataset = dataset_of("bimodal")
    model = Model("vae", dataset, latent_dim=3)
    model.encode = lambda values: (values * [0.1, 0.0, 1.0], np.ones((len(values), 3)))
    found = {picture.title: picture for picture in figures.insight(model, dataset, dataset.holdout.values)}
    axes = found["Encodings"].drawing.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z₁", "z₃")


# --- the report --------------------------------------------------------------------------------------------------

LEARNED = {
    1: ["Distance from the data", "The density as it learned"],
    2: ["Distance from the data"],
}
INSIDE = {
    ("gan", 1): ["Discriminator", "From z to data: the generator"],
    ("gan", 2): ["Discriminator", "From z to data: the generator"],
    ("vae", 1): ["Density of the model", "Encodings", "Reconstructions", "From the latents to samples",
                 "From z to data: the decoder"],
    ("vae", 2): ["Density of the model", "Data", "Encodings", "Reconstructions", "From the latents to samples",
                 "The latent grid, decoded"],
    ("diffusion", 1): ["Noise over the data", "From noise to data", "Vector field over noise levels", "Denoiser"],
    ("diffusion", 2): ["Noise over the data", "From noise to data",
                       *(f"Vector field at noise level σ = {sigma}" for sigma in ("1", "0.3", "0.1"))],
}  # fmt: skip


@pytest.mark.parametrize("name", ["bimodal", "four-gaussians"])
@pytest.mark.parametrize("family", ["gan", "vae", "diffusion"])
def test_the_theory_is_in_the_report_of_each_family(family, name, tmp_path):
    dataset = dataset_of(name)
    verdict = Verdict("learned", "Learned: all of it.", ())
    path = write_report(Model(family, dataset, tmp_path), Evaluation({}, verdict, 500, 0, {}, {}))
    page = path.read_text()
    dim = dataset.density.dim
    curve = {"gan": ["Value of the game"], "vae": ["The two terms of the bound"], "diffusion": []}[family]
    at = [page.find(f"<h3>{title}</h3>") for title in LEARNED[dim] + INSIDE[family, dim] + curve]
    assert min(at) > 0
    assert at == sorted(at)
    assert len(page) < 5_000_000


@pytest.mark.parametrize(
    ("family", "latent_dim"), [("gan", 1), ("gan", 2), ("gan", 3), ("vae", 1), ("vae", 2), ("vae", 3), ("diffusion", 0)]
)
@pytest.mark.parametrize("name", ["bimodal", "moons"])
def test_data_without_a_density_are_drawn_with_latents_of_any_number(name, family, latent_dim):
    dataset = without_density(dataset_of(name, n=500))
    found = figures.insight(Model(family, dataset, latent_dim=latent_dim), dataset, dataset.holdout.values)
    assert len(found) >= 3
    for picture in found:
        assert picture.title
        assert picture.caption
        assert all(axes.get_xlabel() or axes.get_ylabel() for axes in picture.drawing.axes)


def test_wide_data_still_show_their_encodings():
    values = np.random.default_rng(0).standard_normal((300, 5))
    dataset = Dataset("table", "points", None, Split(values[:200]), Split(values[200:]), (), "0" * 16)
    found = figures.insight(Model("vae", dataset, latent_dim=2), dataset, values)
    assert [picture.title for picture in found] == ["Encodings"]
    assert figures.insight(Model("gan", dataset), dataset, values) == []


def test_samples_that_are_no_numbers_are_left_out_of_how_it_learned():
    dataset = dataset_of("bimodal")
    model = Model("gan", dataset)
    broken = Snapshot(200, np.full((800, 1), np.nan))
    taken = model.run_.snapshots()
    model.run_.snapshots = lambda: [*taken, broken]
    found = {picture.title: picture.drawing for picture in figures.insight(model, dataset, dataset.holdout.values)}
    assert len(found["The density as it learned"].axes[0].lines) == len(taken)
