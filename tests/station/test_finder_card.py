"""A finder's card is read as it was written, and what is none is refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from station.bundles import BundleError, Card, Figure
from station.finder_card import FinderCard, FrameData, Gate, read_finder_card
from station.views import Looking

CARD = FinderCard(
    version="f1", architecture="centre(tf_efficientnet_lite0)", species="giant_panda", input_px=320, threshold=0.4,
    least_face_share=0.03, views=Looking(12.0), training=(FrameData("frames", "ab", 70, 63),),
    metrics={"ap50": Figure(0.8, 0.7, 0.9)}, created_at="2026-01-01T00:00:00+00:00", libraries={"torch": "2"},
    gate=Gate(224, 0.15, 0.2, "ImageNet class 388"),
)  # fmt: skip


def test_a_card_is_read_as_it_was_written() -> None:
    assert FinderCard.from_json(CARD.to_json()) == CARD


def test_what_a_later_version_adds_is_passed_over() -> None:
    raw = json.loads(CARD.to_json())
    raw["views"]["more"] = raw["more"] = 1
    assert FinderCard.from_json(json.dumps(raw)) == CARD


def test_a_finder_is_no_age_model() -> None:
    with pytest.raises(BundleError, match="the bundle of a finder, not of an age model"):
        Card.from_json(CARD.to_json())


def test_an_age_model_is_no_finder() -> None:
    with pytest.raises(BundleError, match="an age model's bundle, not a finder's"):
        FinderCard.from_json('{"format": 1, "bins_years": [0, 1]}')


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1, "kind": "finder"}'])
def test_a_damaged_card_is_refused(text: str) -> None:
    with pytest.raises(BundleError, match="not a finder's card"):
        FinderCard.from_json(text)


def test_a_folder_without_the_files_is_refused_with_their_names(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(CARD.to_json())
    with pytest.raises(BundleError, match=r"program.pt2, golden.npz missing"):
        read_finder_card(tmp_path)


def test_a_gate_that_the_card_promises_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(CARD.to_json())
    for name in ("program.pt2", "golden.npz"):
        (tmp_path / name).touch()
    with pytest.raises(BundleError, match=r"gate.pt2 missing"):
        read_finder_card(tmp_path)
