"""A real browser, where there is one: Chromium without a window."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The page itself runs no script, so one around it measures.
_FRAME = """<!doctype html><body style="margin:0"><iframe src="{page}" style="width:{width}px;height:900px;border:0"
onload="document.title = 'over ' +
(d => d.scrollWidth - d.clientWidth)(this.contentDocument.scrollingElement)"></iframe>"""


def browser() -> str | None:
    """The path of a browser, None where there is none."""
    return next((path for path in map(shutil.which, _NAMES) if path), None)


def require_browser() -> None:
    """Skip the test, and say so, where there is no browser."""
    if browser() is None:
        pytest.skip(f"needs a browser: none of {', '.join(_NAMES)} is installed")


def overflow(page: Path, width: int, folder: Path) -> int:
    """By how many pixels a page is wider than a window of `width`, its scroll bar taken off."""
    frame = folder / "frame.html"
    frame.write_text(_FRAME.format(page=page.as_uri(), width=width), encoding="utf-8")
    done = subprocess.run(
        [str(browser()), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
         f"--user-data-dir={folder / 'profile'}", "--window-size=1400,900", "--dump-dom", frame.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    (found,) = re.findall(r"<title>over (-?\d+)</title>", done.stdout)
    return int(found)
