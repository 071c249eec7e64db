"""A page in a browser, without a network: what it says, what it asks for, and how wide it is."""

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


__all__ = ["Seen", "browser", "look"]


#: Names of an installed Chromium.
BROWSERS = "chromium", "chromium-browser", "google-chrome"


@dataclass(frozen=True)
class Seen:
    """What a browser has seen of a page."""

    errors: list[str]     #: Of the console, and of scripts.
    requests: list[str]   #: Addresses that are neither the page nor data in it.
    width: int            #: Of the page, in pixels, with all that is in it.
    paper: str            #: Colour behind the text.
    text: str


@contextmanager
def browser():
    """Start the Chromium that Playwright brings, or one that is installed; skip the test where none is, as
    pip does not install a browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'spincim[browser]'")
    with playwright.sync_playwright() as engine:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        if found is None and not Path(engine.chromium.executable_path).exists():
            pytest.skip("no Chromium; install one with: playwright install chromium")
        # Its sandbox does not start for the user root, as in a container; the page is of our own making.
        with engine.chromium.launch(executable_path=found, args=["--no-sandbox"]) as chromium:
            yield chromium


def look(chromium, path: Path, width: int, scheme="light") -> Seen:
    """Open the file ``path`` in a window so many pixels wide, with all that it folds away shown."""
    with chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme,
                              offline=True) as context:
        page, errors, requests = context.new_page(), [], []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri(), wait_until="load")
        page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
        assert page.evaluate("innerWidth") == width
        return Seen(
            errors, [url for url in requests if url != path.as_uri() and not url.startswith("data:")],
            page.evaluate("document.documentElement.scrollWidth"),
            page.evaluate("getComputedStyle(document.body).backgroundColor"),
            page.inner_text("body"))
