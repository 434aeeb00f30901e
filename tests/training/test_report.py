from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bare import ROOT
from tests.training.studied import NETWORKS, data_set, drawn_faces, measures, study
from training import faces, manifest
from training.report.page import page
from training.results import Study

VOID = {"meta", "img", "br", "wbr"}


class Reader(HTMLParser):
    """Every element with its attributes, every text; whether each element that opens is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())

    def values(self, attribute: str) -> list[str]:
        return [value for _, found in self.elements if (value := found.get(attribute)) is not None]


@pytest.fixture(scope="module")
def two() -> Study:
    return study([data_set(drawn_faces()), data_set(drawn_faces(12, 4, seed=3), "lite")])


@pytest.fixture(scope="module")
def html(two: Study) -> str:
    return page(two, measures("full: it learnt.", "lite: it learnt less.", "All is well."))


@pytest.fixture(scope="module")
def read(html: str) -> Reader:
    return Reader(html)


def test_the_same_study_gives_the_same_bytes_in_another_process(html: str) -> None:
    program = """
import hashlib
from tests.training.studied import data_set, drawn_faces, measures, study
from training.report.page import page
two = study([data_set(drawn_faces()), data_set(drawn_faces(12, 4, seed=3), "lite")])
html = page(two, measures("full: it learnt.", "lite: it learnt less.", "All is well."))
print(hashlib.sha256(html.encode()).hexdigest())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.strip() == hashlib.sha256(html.encode()).hexdigest()


def test_it_needs_nothing_from_elsewhere(read: Reader) -> None:
    assert all(address.startswith("data:image/") for address in read.values("src"))
    assert all(address.startswith("#") for address in [*read.values("href"), *read.values("xlink:href")])
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in read.elements}
    assert not re.search(r"@import|url\((?!#)", "".join(read.texts))


def test_a_name_that_would_be_markup_is_text(html: str, read: Reader) -> None:
    assert "<b>bao" not in html
    assert "<b>bao & co</b>" in read.texts


def test_a_data_set_named_like_markup_is_text_in_plots_too() -> None:
    html = page(study([data_set(drawn_faces(), '"><script>')], ['--><i>"net']), measures())
    assert "<script>" not in html
    assert "<i>" not in html


def test_every_element_is_closed(read: Reader) -> None:
    assert read.open == []


def test_every_drawing_is_well_formed(html: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(drawings) == 2 * 6
    for drawing in drawings:
        ElementTree.fromstring(drawing)


def test_ids_are_unique_and_what_is_referred_to_is_there(html: str, read: Reader) -> None:
    ids = read.values("id")
    assert [name for name, times in Counter(ids).items() if times > 1] == []
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', html)) <= set(ids)


def test_findings_stand_under_their_data_set(html: str) -> None:
    places = [html.index(text) for text in ("All is well.", ">full<", "it learnt.", ">lite<", "it learnt less.")]
    assert places == sorted(places)
    assert "full: it learnt" not in html


def test_every_figure_is_there_with_its_interval(two: Study, read: Reader) -> None:
    for trial in two.trials:
        mae = trial.figures["mae_years"]
        assert f"{mae.value:.2f}" in read.texts
        assert f"{mae.low:.2f}–{mae.high:.2f}" in read.texts


def test_a_figure_nobody_has_put_into_words_is_shown_by_its_name(two: Study) -> None:
    first = two.trials[0]
    more = replace(first, figures={**first.figures, "hat_size_years": first.figures["nll"]})
    assert "hat size" in Reader(page(replace(two, trials=(more, *two.trials[1:])), measures())).texts


def test_an_unfinished_study_shows_a_dash_for_what_is_missing(two: Study) -> None:
    started = replace(two, trials=two.trials[:4], planned=6, chosen=None)
    read = Reader(page(started, measures()))
    assert "–" in read.texts
    assert any("4 of 6 fits are complete" in text for text in read.texts)


def test_a_data_set_that_was_not_begun_is_left_out_of_the_plots(two: Study) -> None:
    read = Reader(page(replace(two, trials=two.trials[:3], planned=6), measures()))
    assert sum(tag == "svg" for tag, _ in read.elements) == 6


def test_with_seven_animals_the_wider_intervals_are_unknown() -> None:
    texts = Reader(page(study([data_set(drawn_faces(7, 8))]), measures())).texts
    assert "95% held" in texts
    assert "–" in texts
    assert "nan" not in "".join(texts)


def test_a_single_network_on_two_animals_has_a_page() -> None:
    assert "resnet18" in page(study([data_set(drawn_faces(2, 2))], ["resnet18"]), measures())


def test_eight_networks_on_real_faces_fit_into_three_megabytes(data: Path) -> None:
    rows = manifest.aged(manifest.read([data / "fgnet" / "manifest.csv"]))[::4]
    known = faces.load(rows, 224, 0.15, print)
    html = page(study([data_set(known), data_set(known, "lite")], NETWORKS, "human", 4.0), measures())
    assert len(html.encode()) < 3_000_000
    words = "".join(Reader(html).texts)
    assert [name for name in NETWORKS if name not in words] == []
