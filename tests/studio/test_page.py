"""A run's page in a real browser: runs of the command line, what goes wrong in words, screens of every width."""

import re

import numpy as np
import pytest
from studio_server import CHROMIUM, studio, told, until

from simulacra.files import write_json

pytest.importorskip("nicegui", reason='the studio is an extra: pip install "simulacra[studio]"')
pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

TOLD = '[data-test="told"]'


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


def test_a_page_that_is_quicker_than_the_trainer_gets_all_layers_when_they_are_there(page, tmp_path, made, frame_file):
    young = made("young", status="running", step=0)
    with studio(tmp_path) as (_, address):
        page.goto(address)
        page.goto(address.partition("?")[0] + "watch/young")
        page.wait_for_selector('[data-test="layer-ema"]')
        assert page.locator('[data-test="layer-discriminator"]').count() == 0
        about = {"kind": "points", "family": "gan", "layers": ["ema", "discriminator"], "limits": [[-3, 3], [-3, 3]]}
        frame_file(young / "frames" / "latest.npz", step=0, ema=np.zeros((5, 2)), discriminator=np.full((48, 48), 0.25))
        write_json(young / "frames" / "about.json", about | {"dim": 2, "sigmas": []})
        page.wait_for_selector('[data-test="layer-discriminator"]')
        until(lambda: told(page)["mean"] == "0.2500000")
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
