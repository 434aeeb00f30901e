"""`[schedule]` and `[energy]`: what happens by the clock, and what it has to wait for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from station.sections.section import Section
from station.when import when

Job = Literal["census", "selfcheck", "retraining", "backup", "retention"]


def _when(value: str) -> str:
    when(value)
    return value


class Schedule(Section):
    """What happens by the clock."""

    census: str = Field("nightly at 02:30", description="the census of the day before, and of nights that were missed")
    selfcheck: str = Field("weekly on Sunday at 03:00", description="the box's speed, against its baseline")
    retraining: str = Field("never", description="a new model from what people confirmed, if it passes the gate")
    backup: str = Field("never", description="database, bundle and configuration in one file")
    retention: str = Field(
        "never", description="old spooled pictures, models and census folders go; camera folders are never touched"
    )
    census_into: Path | None = Field(
        None, description="a folder in which each night gets one of its own; none: census, beside the database"
    )
    backup_into: Path | None = Field(
        None, description="the folder of the backups, better on another disk; none: backups, beside the database"
    )
    backups_kept: int = Field(7, ge=1, description="so many of the newest scheduled backups stay")
    spool_days: int = Field(
        365, ge=1, description="days after which a recorded picture of the spool goes, unless something rests on it"
    )
    nights_kept: int = Field(
        400,
        ge=1,
        description="so many of the newest nights' census folders stay, and the first of each month for good",
    )
    retries: int = Field(2, ge=0, le=10, description="how often a job that failed is tried again before it is reported")
    retry_after_min: float = Field(10, gt=0, description="minutes before the first of them, doubled each time")
    after_start_s: float = Field(
        60, ge=0, description="seconds after a start in which pictures have the box to themselves"
    )

    _words = field_validator("census", "selfcheck", "retraining", "backup", "retention")(_when)

    def words(self) -> dict[str, str]:
        """When each job is to run."""
        return {
            "census": self.census, "selfcheck": self.selfcheck, "retraining": self.retraining,
            "backup": self.backup, "retention": self.retention,
        }  # fmt: skip


def _hours(value: str) -> str:
    found = re.fullmatch(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})", value)
    if value and not (found and all(int(found[i]) < 24 and int(found[i + 1]) < 60 for i in (1, 3))):
        raise ValueError("write two times of the day, such as 22:00-05:00")
    return value


class Energy(Section):
    """When jobs have to wait for power, for a cooler box, or for the night."""

    jobs: tuple[Job, ...] = Field(("retraining",), description="the jobs that all of this holds for")
    hours: str = Field("", description="of the day in which they may run, such as 22:00-05:00; empty: all")
    power_file: Path | None = Field(None, description="a file with a number, such as a battery's charge or voltage")
    power_command: tuple[str, ...] = Field((), description="or a command, word by word, that prints it")
    power_at_least: float = Field(0, description="below this number they wait")
    temperature_file: Path | None = Field(
        None, description="a file with degrees Celsius, or thousandths of them as /sys/class/thermal has"
    )
    temperature_command: tuple[str, ...] = Field((), description="or a command, word by word, that prints them")
    temperature_at_most: float = Field(80, description="above so many degrees they wait")

    _of_the_day = field_validator("hours")(_hours)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        for what in ("power", "temperature"):
            if getattr(self, f"{what}_file") and getattr(self, f"{what}_command"):
                raise ValueError(f"energy: give {what}_file or {what}_command, not both")
        return self
