"""What real clients, proxies, issuers and operators send, and the right answer: a table with one row an input.

The rows stand in the modules of `cases/`, by who sends them. A row has a number, a sentence that is true, and a function
that finds out; each row is a test of its own.
"""

import unittest

from cases import frames, http, programs, tokens
from cases.table import rows
from gangway import GangwayTest

SENDERS = (frames, http, programs, tokens)


class Cases(GangwayTest):
    """One test a row; they are added below."""


def as_test(row):
    async def test(self):
        await row.judge(self)
    test.__doc__ = row.sentence
    return test


for row in rows():
    setattr(Cases, f"test_{row.number:02}_{row.judge.__name__}", as_test(row))


if __name__ == "__main__":
    unittest.main()
