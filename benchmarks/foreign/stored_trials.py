"""The result files of the trials of a service, kept to be judged and diagnosed again."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from catalogue import PlantedFault
from straingauge.result.assembly.conclude import conclude
from straingauge.result.format.result import Measurements
from straingauge.verdict import Thresholds
from tests.performance.fault_injection.trial import Trial, evaluate, read_documents


class StoredTrials:
    """The trials of a service, each in the folder FAULT/TIME.

    Args:
        folder: Folder of the service.
        thresholds: The thresholds of its suite.
    """

    def __init__(self, folder: Path, thresholds: Thresholds) -> None:
        self._folder = folder.resolve()
        self._thresholds = thresholds

    def new_folder(self, fault: PlantedFault) -> Path:
        """Return the folder for the results of a new trial."""
        return self._folder / fault.name / f"{time.time_ns()}"

    def latest(self, fault: PlantedFault, count: int) -> list[Trial]:
        """Return at most this many trials, the latest, by the present thresholds and rules."""
        folders = sorted(self._folder.glob(f"{fault.name}/*"))
        found = [documents for each in folders if (documents := read_documents(each))]
        return [
            evaluate(fault, [self._conclude(each) for each in documents], duration_s=0)
            for documents in found[-count:]
        ]

    def _conclude(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        judged = ("verdict", "diagnosis")  # made again
        measured = {key: value for key, value in document.items() if key not in judged}
        return conclude(cast("Measurements", measured), self._thresholds)[0]
