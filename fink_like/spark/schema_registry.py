"""Questions to a schema registry, asked by the driver, beside the batches.

A registry may be down, slow, or answer nonsense; none of that may hold up packets whose schema is
known. So each question is a thread's, one at a time an id, and what is not answered within a
second is collected at the next call.
"""

import concurrent.futures
import json
import sys
import threading
import time
import urllib.error
import urllib.request

from fink_like.errors import SchemaError
from fink_like.packets.schemas import names_and_types

TIMEOUT_S = 10
PATIENCE_S = 1  # a registry that is well answers in a tenth of it
RETRY_S, LONGEST_RETRY_S = 10, 60  # pause behind a failure: doubled each time
MOST_OPEN = 16  # questions at once: damaged frames may name hundreds of ids that nobody has
MOST_BYTES = 16 * 1024 * 1024
NO_SUCH_ID = 404


class SchemaRegistry:
    """A Confluent-style registry: ``<url>/schemas/ids/<id>`` answers ``{"schema": "<text>"}``.

    Parameters
    ----------
    url : str
        Empty: there is none, and nothing is answered.
    """

    def __init__(self, url):
        self.url = url.rstrip("/")
        self._asked, self._failed = {}, {}

    def ask(self, ids):
        """Ask for schemas; wait a moment for new questions only.

        Parameters
        ----------
        ids : list of str
            Those that matter most first.

        Returns
        -------
        dict
            Id -> Avro schema (names and types), None where the registry says not to have it. An
            id that failed, or is not answered yet, is left out: ask again.
        """
        ids = list(dict.fromkeys(ids))
        new = [key for key in ids if self.url and key not in self._asked and self._may_ask(key)]
        new = new[:max(MOST_OPEN - sum(not f.done() for f in self._asked.values()), 0)]
        for key in new:
            answer = self._asked[key] = concurrent.futures.Future()
            question = (answer, f"{self.url}/schemas/ids/{key}")
            # A daemon: a silent registry must not delay our end.
            threading.Thread(target=_answer, args=question, daemon=True).start()
        concurrent.futures.wait([self._asked[key] for key in new], PATIENCE_S)
        done = [key for key in ids if key in self._asked and self._asked[key].done()]
        answers = {}
        for key in done:
            try:
                answers[key] = self._asked.pop(key).result()
            except SchemaError as error:
                self.failed(key, error)
        return answers

    def failed(self, key, why):
        """Note that an answer is of no use; the id may be asked for again after a pause."""
        pause = min(2 * self._failed.get(key, (0, RETRY_S / 2))[1], LONGEST_RETRY_S)
        self._failed[key] = time.monotonic() + pause, pause
        print(f"packets of schema id {key} wait: {why}"[:500], file=sys.stderr, flush=True)

    def _may_ask(self, key):
        return time.monotonic() >= self._failed.get(key, (0, 0))[0]


def _answer(future, address):
    try:
        future.set_result(_fetch(address))
    except SchemaError as error:
        future.set_exception(error)


def _fetch(address):
    """The schema; None if there is no such id.

    Raises
    ------
    SchemaError
        No answer, or none that is a schema.
    """
    try:
        answer = json.loads(_body(address))
        if answer.get("schemaType", "AVRO") != "AVRO":
            raise SchemaError(f"{address} is of type {answer['schemaType']}, not AVRO")
        return names_and_types(json.loads(answer["schema"]))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == NO_SUCH_ID:
            return None
        raise SchemaError(f"{address} answered {error.code}") from error
    except SchemaError as error:
        raise SchemaError(f"{address}: {error}") from error
    except Exception as error:  # a server may answer anything: each is a failure of this id only
        raise SchemaError(f"{address}: {error!r}"[:300]) from error


def _body(address):
    """All of an answer; the time-out is for the whole, not for each piece of it."""
    end, body = time.monotonic() + TIMEOUT_S, bytearray()
    with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
        while piece := answer.read1(1 << 16):
            body += piece
            if time.monotonic() > end or len(body) > MOST_BYTES:
                raise OSError(f"{len(body)} bytes after {TIMEOUT_S} s, and no end")
    return bytes(body)
