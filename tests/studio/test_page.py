"""The way of a newcomer in a real browser, on figures read from the page: start a toy GAN, watch, pause, step."""

import re
import time

import pytest
from studio_server import CHROMIUM, studio, told, until

pytest.importorskip("nicegui", reason='the studio is an extra: pip install "simulacra[studio]"')
pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

TOLD = '[data-test="told"]'


def test_start_a_toy_gan_watch_pause_and_step(page, tmp_path):
    with studio(tmp_path) as (_, address):
        page.goto(address)
        assert "token" not in page.url
        page.click('[data-test="toy:moons"]')
        page.wait_for_selector('[data-test="toy:moons"][aria-pressed="true"]')
        page.fill('[data-test="option-steps"]', "500000")
        page.wait_for_url(re.compile(r"source=toy%3Amoons.*500000"))  # all of it is in the address
        page.click('[data-test="start"]')
        page.wait_for_url("**/watch/toy-moons-gan*")
        until(lambda: page.locator(TOLD).count() and int(told(page)["drawn"]) >= 3)
        first = told(page)
        assert first["points"] == "2000"
        until(lambda: int(told(page)["step"]) > int(first["step"]))  # it learns, and the picture follows

        page.click('[data-test="play"]')
        page.wait_for_selector('[data-test="status"]:text("paused")')
        where = lambda: int(re.search(r"step ([\d,]+)", page.inner_text('[data-test="where"]'))[1].replace(",", ""))  # noqa: E731
        paused = until(lambda: (step := int(told(page)["step"])) == where() and step)
        time.sleep(1.0)
        assert int(told(page)["step"]) == paused  # nothing moves
        page.click('[data-test="step"]')
        until(lambda: int(told(page)["step"]) == paused + 1 == where())
        before = until(lambda: told(page)["mean"])
        page.click('[data-test="step-generator"]')
        until(lambda: int(told(page)["step"]) == paused + 2)
        until(lambda: told(page)["mean"] == before)  # the discriminator stood still
        page.click('[data-test="step-discriminator"]')
        until(lambda: int(told(page)["step"]) == paused + 3 and told(page)["mean"] != before)

        assert "best" not in told(page)["layers"]
        page.click('[data-test="layer-best"]')
        until(lambda: "best" in told(page)["layers"])
        assert "best" in page.url
        page.click("h1")
        page.keyboard.press("s")  # without a mouse, too
        until(lambda: int(told(page)["step"]) == paused + 4)
        assert re.search(r"\d", page.inner_text('[data-test="logged"]'))

        page.reload()  # a state is come back to by its address
        until(lambda: page.locator(TOLD).count() and int(told(page)["step"]) == paused + 4)
        assert "best" in told(page)["layers"]
        page.click('[data-test="stop"]')
        page.wait_for_selector('[data-test="status"]:text("interrupted")')
        page.wait_for_selector('[data-test="resume"]')
        page.goto(address.partition("?")[0])
        assert "interrupted" in page.inner_text('[data-test="runs"]')
        assert page.outside == []
        assert page.errors == []


def test_a_run_of_the_command_line_is_shown_and_can_be_scrubbed(page, small_gan):
    with studio(small_gan) as (_, address):
        page.goto(address)
        page.goto(address.partition("?")[0] + "watch/small")
        until(lambda: page.locator(TOLD).count() and told(page)["step"] == "60")
        page.focus('[data-test="timeline"] [tabindex="0"], [data-test="timeline"][tabindex="0"]')
        page.keyboard.press("ArrowLeft")
        until(lambda: told(page)["step"] == "50")
        assert "step=50" in page.url
        assert page.outside == []
        assert page.errors == []


def test_what_goes_wrong_is_said_on_the_page(page, tmp_path, made):
    (made("bad") / "config.json").write_text("{")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n3\n")
    with studio(tmp_path) as (_, address):
        page.goto(address)
        home = address.partition("?")[0]
        for name, said in (("bad", "not readable as JSON"), ("nothing", "no run"), ("..%2Fx", "no run")):
            page.goto(f"{home}watch/{name}")
            page.wait_for_selector(f'[role="alert"]:has-text("{said}")')
        page.goto(f"{home}?source={tmp_path}/bad.csv&family=gan")
        page.click('[data-test="start"]')
        page.wait_for_selector('[role="alert"]:has-text("bad.csv")')
        page.goto(f"{home}?source=toy:ring&family=gan")
        page.fill('[data-test="option-steps"]', "many")
        page.wait_for_selector('[role="alert"]:has-text("is not a whole number")')
        assert "Traceback" not in page.inner_text("body")
        assert page.outside == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_nothing_is_wider_than_the_screen(page, small_gan, width, scheme):
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    with studio(small_gan) as (_, address):
        page.goto(address)
        for place in ("", "watch/small"):
            page.goto(address.partition("?")[0] + place)
            page.wait_for_selector(".panel canvas" if place else '[data-test="start"]')
            page.wait_for_timeout(500)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (int(re.findall(r"\d+", shade)[0]) < 80) == (scheme == "dark")
