"""How each camera's frames are looked at, by the configuration: its finder, loaded once, and its clock."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path

from station.bundles import BundleError
from station.detections import FAINT, Detector, ResultsFile
from station.domain import Frame
from station.faces import Animals, Finder, Whole
from station.finder_card import foreign
from station.finding import FacesOfAnimals, TrainedFinder
from station.intake import Folder
from station.line import Camera
from station.on_megadetector import MegaDetectorRun
from station.programs import Running
from station.sections.line import BESIDE, MEGADETECTOR, WHOLE, Faces
from station.settings import Settings, SettingsError


class Finders:
    """The finders of a configuration."""

    def __init__(self, settings: Settings, species: str) -> None:
        """Loads what is named in it.  Raises `SettingsError` where something cannot be used.

        `species`: whose ages are told; empty: nobody knows.
        """
        self._settings = settings
        self._trained: dict[str, TrainedFinder] = {}
        self._running: dict[str, MegaDetectorRun] = {}
        wrong = [told for place, how in _sections(settings) for told in self._load(place, how, species)]
        if wrong:
            raise SettingsError("\n".join(wrong))
        self._detector = cache(self._detector_of)

    @property
    def programs(self) -> tuple[Running, ...]:
        """All that they run."""
        return tuple(program for finder in self._trained.values() for program in finder.programs)

    @property
    def bundles(self) -> Mapping[str, TrainedFinder]:
        """By what the configuration calls them."""
        return self._trained

    def _load(self, place: str, how: Faces, species: str) -> Iterator[str]:
        """What is wrong with it."""
        device = self._settings.line.device
        try:
            if how.finder not in (WHOLE, MEGADETECTOR) and how.finder not in self._trained:
                self._trained[how.finder] = _trained(Path(how.finder), device, species)
        except BundleError as error:
            yield f"{place}.finder = {how.finder!r}: {error}"
        try:
            if how.megadetector not in ("", BESIDE) and how.megadetector not in self._running:
                self._running[how.megadetector] = MegaDetectorRun.load(Path(how.megadetector), device)
        except BundleError as error:
            yield f"{place}.megadetector = {how.megadetector!r}: {error}"

    def finder(self, how: Faces, root: Path) -> Finder:
        """For pictures below `root`."""
        if how.finder == WHOLE:
            return Whole()
        if how.finder == MEGADETECTOR:
            return Animals(self._detector(how.megadetector or BESIDE, how.threshold, root), how.threshold)
        trained = self._trained[how.finder]
        if not how.megadetector:
            return trained
        return FacesOfAnimals(trained, self._detector(how.megadetector, how.threshold, root), how.threshold)

    def _detector_of(self, name: str, threshold: float, root: Path) -> Detector:
        """One a folder, so that a results file is read once."""
        return ResultsFile(root, min(FAINT, threshold)) if name == BESIDE else self._running[name]

    def camera(self, name: str, group: str, root: Path) -> Camera:
        """How the frames of a camera are looked at that lie in the folder of `group`."""
        how = self._settings.finder(name, group)
        found, clock = self.finder(how, root), self._settings.clock(name, group)
        trained = self._trained.get(how.finder)
        return Camera(found, clock, trained.judge) if trained else Camera(found, clock)


class Cameras:
    """How each frame is looked at."""

    def __init__(self, finders: Finders, folders: Mapping[str, Folder]) -> None:
        self._folders = folders

        @lru_cache(maxsize=4096)
        def camera(name: str, group: str) -> Camera:
            return finders.camera(name, group, folders[group].root if group in folders else Path("/"))

        self._camera = camera

    def __call__(self, frame: Frame) -> Camera:
        """By its camera, and the folder that it lies in."""
        inside = (n for n, folder in self._folders.items() if frame.path.startswith(f"{folder.root}{os.sep}"))
        return self._camera(frame.camera, next(inside, ""))


def _sections(settings: Settings) -> Iterator[tuple[str, Faces]]:
    """All that is said of faces, each with its place in the configuration."""
    yield "faces", settings.faces
    for name, camera in settings.cameras.items():
        if camera.faces:
            yield f"cameras.{name}.faces", camera.faces


def _trained(bundle: Path, device: str, species: str) -> TrainedFinder:
    """Raises `BundleError`."""
    if not bundle.is_dir():
        near = difflib.get_close_matches(bundle.name, (WHOLE, MEGADETECTOR), n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}?" if near else "make one with `training finder`"
        raise BundleError(f"there is no such folder; {hint} ({Faces.model_fields['finder'].description})")
    finder = TrainedFinder(bundle, device)
    if why := foreign(finder.card, species):
        raise BundleError(why)
    return finder
