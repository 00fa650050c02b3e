"""A page in a real browser, for tests: what it asked of other machines and what went wrong on it are kept."""

import time
from contextlib import contextmanager

from studio_server import CHROMIUM


@contextmanager
def opened(address, *, width=1280):
    """A page at an address; `page.outside` are requests to elsewhere and `page.errors` what scripts complained of."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        try:
            context = browser.new_context(viewport={"width": width, "height": 1000})
            context.set_default_timeout(60_000)
            page = context.new_page()
            page.outside, page.errors = [], []
            page.on("request", lambda one: None if _near(one.url) else page.outside.append(one.url))
            page.on("pageerror", lambda error: page.errors.append(str(error)))
            page.on("console", lambda one: page.errors.append(one.text) if one.type == "error" else None)
            page.goto(address)
            page.home = address.partition("?")[0]
            yield page
        finally:
            browser.close()


def until(holds, seconds=60.0):
    """Wait for something, and give what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen")


def _near(url):
    return url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))
