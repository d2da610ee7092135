"""The table of cases: how a row is added, and all rows that were."""

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Row:
    number: int  # of the input; its siblings share it
    sentence: str  # what is true of the server
    judge: Callable  # asynchronous; gets the test, which makes servers and clients and asserts


_rows = []


def case(number, sentence):
    """Adds the function below it to the table as a row."""
    def add(judge):
        _rows.append(Row(number, sentence, judge))
        return judge
    return add


def rows():
    """Returns all rows, by number."""
    return sorted(_rows, key=lambda row: row.number)
