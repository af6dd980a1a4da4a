"""The result files of the trials of a service, kept to be diagnosed again."""

import time
from pathlib import Path

from catalogue import PlantedFault
from tests.performance.fault_injection.trial import Trial, evaluate, read_documents


class StoredTrials:
    """The trials of a service, each in the folder FAULT/TIME.

    Args:
        folder: Folder of the service.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def new_folder(self, fault: PlantedFault) -> Path:
        """Return the folder for the results of a new trial."""
        return self._folder / fault.name / f"{time.time_ns()}"

    def latest(self, fault: PlantedFault, count: int) -> list[Trial]:
        """Return at most this many trials, the latest, diagnosed with the present rules."""
        folders = sorted(self._folder.glob(f"{fault.name}/*"))
        found = [documents for each in folders if (documents := read_documents(each))]
        return [evaluate(fault, documents, duration_s=0) for documents in found[-count:]]
