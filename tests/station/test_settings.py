from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from station import settings
from station.sections.cameras import Camera
from station.sections.line import Faces, Line
from station.settings import Settings, SettingsError
from station.times import zone

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
        threshold = 2
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
        "faces.threshold = 2: input should be less than or equal to 1",
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
        clock_shift_s = 0
        faces = { finder = "megadetector" }
        """,
    )
    assert read.clock("ridge", "card").shift == timedelta(minutes=1)
    assert read.clock("den", "card").shift == timedelta(0)
    assert (read.finder("den", "card").finder, read.finder("ridge", "card").finder) == ("megadetector", "whole")


def test_what_a_cameras_own_table_does_not_say_its_folders_table_does(tmp_path: Path) -> None:
    read = load(
        tmp_path,
        """
        [faces]
        finder = "megadetector"
        [cameras.card]
        folder = "card"
        pattern = "{camera}"
        timezone = "+08:00"
        clock_shift_s = 60
        file_time = true
        faces = { threshold = 0.5 }
        [cameras.den]
        faces = { finder = "whole" }
        [cameras.ridge]
        clock_shift_s = 0
        """,
    )
    assert read.clock("den", "card") == read.clock("card", "card")
    assert read.clock("den", "card").file_time
    assert read.clock("ridge", "card").shift == timedelta(0)
    assert read.clock("ridge", "card").zone == zone("+08:00")
    assert read.finder("den", "card") == Faces(finder="whole", threshold=0.5)
    assert read.finder("ridge", "card") == Faces(finder="megadetector", threshold=0.5)
    assert read.finder("creek", "creek") == read.faces


def test_a_finders_path_counts_from_the_file_and_the_words_for_none_stay(tmp_path: Path) -> None:
    read = load(
        tmp_path,
        """
        [faces]
        finder = "models/finder"
        megadetector = "file"
        [cameras.den]
        faces = { finder = "megadetector", megadetector = "md_v5a.0.0.pt" }
        """,
    )
    assert (read.faces.finder, read.faces.megadetector) == (str(tmp_path / "models/finder"), "file")
    den = read.finder("den", "den")
    assert (den.finder, den.megadetector) == ("megadetector", str(tmp_path / "md_v5a.0.0.pt"))


def test_a_wrong_camera_name_is_told_by_its_name_alone(tmp_path: Path) -> None:
    told = mistakes(tmp_path, '[cameras."my cam"]\nfolder = "pictures"\n')
    assert told.splitlines()[1:] == ["  cameras = 'my cam': use letters, digits, - and _ only"]


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:9109", "hut.example:80", "127.0.0.1", "9109", "127.0.0.1:99999", "[::]:80"]
)
def test_health_answers_this_machine_only(tmp_path: Path, listen: str) -> None:
    assert f"health.listen = {listen!r}" in mistakes(tmp_path, f'[health]\nlisten = "{listen}"\n')


@pytest.mark.parametrize("listen", ["", "127.0.0.1:0", "localhost:9109", "[::1]:9109"])
def test_loopback_addresses_are_taken(tmp_path: Path, listen: str) -> None:
    assert load(tmp_path, f'[health]\nlisten = "{listen}"\n').health.listen == listen


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
    raw, text = tomllib.loads(EXAMPLE.read_text()), EXAMPLE.read_text()
    sections: dict[str, type[BaseModel]] = {
        name: type(field.default)
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, BaseModel)
    }
    assert set(raw) == {*sections, "cameras"}
    for name, section in sections.items():
        assert section.model_validate(raw[name]) == section()
    # The example's camera differs from the defaults in its folder alone.
    ridge = raw["cameras"]["ridge"]
    assert Camera.model_validate(ridge) == Camera(folder=Path(ridge["folder"]))
    every: list[type[BaseModel]] = [*sections.values(), Camera]
    for section in every:
        for key, field in section.model_fields.items():
            assert f"\n{key} = " in text or f"\n# {key} = " in text, key  # what is optional stands in comments
            assert field.description, f"{section.__name__}.{key} is not documented"
            assert field.description in text, f"{key}: {field.description}"
