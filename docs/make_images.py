"""Makes the screenshots of README and docs from a real sweep, in a headless Chromium.

    python docs/make_images.py --folder /tmp/images --trials 64

runs ``sweeps/bike_demand.py`` in the folder unless it was run there before, writes its report and
takes pictures of it, in light colours. Look at each of them before it is committed.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lossweights.base.commands import DEFAULT_ROOT
from lossweights.base.errors import SweepNotFound
from lossweights.report.page import write_report
from lossweights.results.result import SweepResult

DOCS = Path(__file__).resolve().parent
IMAGES = DOCS / "images"
sys.path[:0] = [str(DOCS.parent), str(DOCS.parent / "sweeps")]
DRAWN = """
    const charts = [...document.querySelectorAll(PLACES)];
    return document.documentElement.dataset.ready && charts.length > 0
        && charts.every(chart => chart.querySelector(".main-svg"));
"""


@dataclass(frozen=True)
class Picture:
    """A part of the report, and what to do before it is taken.

    Attributes:
        name: The file, without its ending.
        size: Width and height of the window in pixels.
        place: Selector of the element that is at the top of the picture; none for the whole window.
        last: Selector of the element that is at its bottom.
        charts: Selector of what must be drawn.
        script: JavaScript that is run first.
    """

    name: str
    size: tuple[int, int]
    place: str = ""
    last: str = ""
    charts: str = "[data-figure=front]"
    script: str = ""


PULLED = """
    const number = document.querySelector('.wish[data-metric="shortfall"] [type=number]');
    number.value = 5; number.dispatchEvent(new Event("input"));
"""
PICTURES = (
    Picture("report", (1440, 900)),
    Picture("report-what-if", (1100, 900), "#what-if", "#what-if", script=PULLED),
    Picture("report-map", (1100, 900), "#map h2", "#map [data-figure]", "[data-figure=weights]"),
    Picture(
        name="report-trial",
        size=(1100, 900),
        place="aside",
        last="aside",
        charts="#panel-trial .small-chart",
        script="selectTrial(KNEE)",
    ),
)


def main() -> None:
    """Run or read the sweep, write its report, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where mlruns/ is or will be")
    parser.add_argument("--trials", type=int, default=64)
    options = parser.parse_args()
    from bike_demand import sweep

    options.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(options.folder)  # so that lines to paste name no root
    try:
        result = SweepResult.read(sweep.name, DEFAULT_ROOT)
    except SweepNotFound:
        result = sweep.run(options.trials, tracking=False)
    page = write_report(result, Path("report.html"), root=DEFAULT_ROOT)
    take(page.resolve().as_uri(), str(result.best_number("knee")))


def take(address: str, knee: str) -> None:
    """Take every picture of a report."""
    from tests.browser.chrome import Chrome

    with tempfile.TemporaryDirectory() as profile, Chrome(Path(profile)) as chrome:
        for each in PICTURES:
            chrome.size(*each.size)
            chrome.open("about:blank")
            chrome.open(address)
            chrome.wait_for(DRAWN.replace("PLACES", repr("[data-figure=front]")))
            if each.place:
                chrome.run(f"document.querySelector({each.place!r}).scrollIntoView()")
            chrome.run(each.script.replace("KNEE", knee))
            chrome.wait_for(DRAWN.replace("PLACES", repr(each.charts)))
            shot = Path(profile) / "shot.png"
            chrome.screenshot(shot)
            save(Image.open(shot).crop(chrome_box(chrome, each)), each.name)


def chrome_box(chrome: object, picture: Picture) -> tuple[int, int, int, int]:
    """The part of the window that is wanted, in pixels."""
    if not picture.place:
        return (0, 0, *picture.size)
    first, last = chrome.run(  # type: ignore[attr-defined]
        f"""
        return [{picture.place!r}, {picture.last!r}].map(place => {{
            const box = document.querySelector(place).getBoundingClientRect();
            return [box.left, box.top, box.right, box.bottom];
        }});
        """
    )
    width, height = picture.size
    left, top = max(0, int(first[0]) - 12), max(0, int(first[1]) - 8)
    return (left, top, min(width, int(last[2]) + 12), min(height, int(last[3])))


def save(picture: Image.Image, name: str) -> None:
    """Write a picture without loss."""
    path = IMAGES / f"{name}.webp"
    picture.convert("RGB").save(path, lossless=True, quality=100, method=6)
    print(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
