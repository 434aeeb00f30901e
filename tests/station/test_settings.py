from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from station import settings
from station.settings import Camera, Faces, Line, Mqtt, Privacy, Settings, SettingsError, Station

EXAMPLE = Path(__file__).parents[2] / "config" / "station.toml"


def load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "station.toml"
    file.write_text(text)
    return settings.load(file)


def mistakes(tmp_path: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    return str(caught.value)


def test_an_empty_file_is_a_valid_configuration(tmp_path: Path) -> None:
    read = load(tmp_path, "")
    assert read.line == Line()
    assert read.station.database == tmp_path / "station.db"


def test_all_mistakes_are_told_at_once_each_with_key_value_and_remedy(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        """
        [station]
        id = "my station"
        timezone = "China"
        [line]
        workers = 0
        lingr_s = 1
        [faces]
        finder = "magic"
        [cameras.ridge]
        folder = "a"
        settle_s = "soon"
        [cameras.creek]
        pattern = "{cam}/"
        """,
    )
    for words in (
        "station.id = 'my station': use letters, digits, - and _ only",
        "station.timezone = 'China': 'China' is neither a time zone's name nor an offset such as +08:00",
        "line.workers = 0: input should be greater than or equal to 1 (threads that read and decode pictures)",
        "line.lingr_s: there is no such key; did you mean line.linger_s?",
        "faces.finder = 'magic': input should be 'whole' or 'megadetector'",
        "cameras.ridge.settle_s = 'soon': input should be a valid number",
        "cameras.creek.pattern = '{cam}/': '{cam}' is none of {camera}, {individual} and *",
    ):
        assert words in told


def test_an_unknown_section_is_refused_with_the_nearest(tmp_path: Path) -> None:
    assert "camera: there is no such key; did you mean cameras?" in mistakes(tmp_path, "[camera.a]\n")


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    read = load(tmp_path, '[station]\nbundle = "b"\n[cameras.a]\nfolder = "pictures"\n')
    assert read.station.bundle == tmp_path / "b"
    assert read.cameras["a"].folder == tmp_path / "pictures"


def test_the_brokers_files_count_from_the_file_too(tmp_path: Path) -> None:
    read = load(tmp_path, '[mqtt]\npassword_file = "p"\nca_file = "/etc/ca.crt"\n')
    assert (read.mqtt.spool, read.mqtt.password_file) == (tmp_path / "spool", tmp_path / "p")
    assert read.mqtt.ca_file == Path("/etc/ca.crt")


def test_the_spool_is_no_cameras_folder(tmp_path: Path) -> None:
    told = mistakes(tmp_path, '[mqtt]\nhost = "broker"\nspool = "p/spool"\n[cameras.a]\nfolder = "p"\n')
    assert "cameras.a.folder and mqtt.spool overlap" in told


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("station/image", "a level must be {camera}"),
        ("{camera}/#", "use {label} for a level that may be anything"),
        ("{camera}/{cam}", "{cam} is none of"),
        ("x{camera}", "a level must be {camera}"),
    ],
)
def test_a_wrong_topic_pattern_is_refused(tmp_path: Path, pattern: str, words: str) -> None:
    assert words in mistakes(tmp_path, f'[mqtt]\nimages = ["{pattern}"]\n')


def test_overlapping_folders_are_refused(tmp_path: Path) -> None:
    told = mistakes(tmp_path, '[cameras.a]\nfolder = "p"\n[cameras.b]\nfolder = "p/below"\n')
    assert "cameras.a.folder and cameras.b.folder overlap" in told


def test_a_camera_found_by_pattern_takes_its_own_table_else_that_of_its_folder(tmp_path: Path) -> None:
    read = load(
        tmp_path,
        """
        [station]
        timezone = "+01:00"
        [cameras.card]
        folder = "card"
        pattern = "{camera}"
        clock_shift_s = 60
        [cameras.den]
        faces = { finder = "megadetector" }
        """,
    )
    assert read.clock("ridge", "card").shift == timedelta(minutes=1)
    assert read.clock("den", "card").shift == timedelta(0)
    assert (read.finder("den", "card").finder, read.finder("ridge", "card").finder) == ("megadetector", "whole")


@pytest.mark.parametrize("text", ["[station", "x = \xff"])
def test_what_is_no_toml_is_said_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "station.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match="is not TOML"):
        settings.load(file)


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        settings.load(tmp_path / "none.toml")


def test_the_example_documents_every_key_with_its_default() -> None:
    raw = tomllib.loads(EXAMPLE.read_text())
    for name, part in (("station", Station), ("line", Line), ("faces", Faces), ("mqtt", Mqtt), ("privacy", Privacy)):
        optional = {key for key, field in part.model_fields.items() if field.default is None}
        assert set(raw[name]) == set(part.model_fields) - optional
        assert part.model_validate(raw[name]) == part()
    # The example's camera differs from the defaults in its folder alone; what is optional stands in comments.
    text = EXAMPLE.read_text()
    ridge = raw["cameras"]["ridge"]
    assert Camera.model_validate(ridge) == Camera(folder=Path(ridge["folder"]))
    for key in (*Mqtt.model_fields, *Camera.model_fields):
        assert f"\n{key} = " in text or f"\n# {key} = " in text, key
    sections: tuple[type[BaseModel], ...] = (Station, Line, Faces, Mqtt, Privacy, Camera)
    for section in sections:
        for key, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{key} is not documented"
            assert field.description in text, f"{key}: {field.description}"
