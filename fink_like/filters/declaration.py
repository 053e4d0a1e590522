"""One file of ``conf/filters`` → its values, each of the right form, with their lines.

What the values mean together (columns, examples, other filters) is `fink_like.filters.library`'s.
"""

import datetime
import re
import reprlib
from dataclasses import dataclass

import yaml

from fink_like.errors import ConfigError
from fink_like.filters.language import nearest

PAYLOADS = ("full",)  # what distribute can write: the whole packet and our columns
PROFILES = ("fink-live",)  # message forms that distribute can write
MAX_FILE = 100_000  # bytes
NAME = re.compile(r"[a-z][a-z0-9_]{2,59}")
QUOTA = re.compile(r"([1-9]\d{0,6}) ?(kB|MB|GB)/night")
QUOTA_UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9}


class Problem(ConfigError):
    """What is wrong with a filter's file, and where.

    Parameters
    ----------
    path : Path
    line : int
        From 1.
    message : str
    """

    def __init__(self, path, line, message):
        super().__init__(f"{path}:{line}: {message}")
        self.path, self.line, self.message = path, line, message


@dataclass(frozen=True)
class Declaration:
    """A file's values by key, and where they stand."""

    path: object
    values: dict
    nodes: dict

    def problem(self, key, message, item=None):
        """A `Problem` at the line of a key, or of one item of its list."""
        node = self.nodes[key] if item is None else self.nodes[key].value[item]
        return Problem(self.path, node.start_mark.line + 1, message)

    def problem_in_text(self, key, error):
        """A `Problem` where a `FilterError` is in the text of a key.

        Only a block written with ``|`` keeps its lines; otherwise the key's own line is given.
        """
        node = self.nodes[key]
        line = node.start_mark.line + 1
        if node.style == "|" and error.line:
            line += error.line
        return Problem(self.path, line, f"{key}: {error}")


def read(path):
    """The declaration in a filter's file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Declaration

    Raises
    ------
    Problem
        The file is no YAML mapping, a key is absent, unknown or twice there, or a value is not
        of its form.
    """
    root = _compose(path)
    if not isinstance(root, yaml.MappingNode):
        raise Problem(path, 1, "a filter file holds `key: value` lines")
    nodes = _by_key(path, root)
    for key in FORMS:
        if key not in nodes and key not in DEFAULTS:
            raise Problem(path, 1, f"no `{key}`, {FORMS[key][1]}")
    values = dict(DEFAULTS)
    for key, node in nodes.items():
        values[key] = _value(path, key, node)
    return Declaration(path, values, nodes)


def _compose(path):
    try:
        content = path.read_bytes()
        if len(content) > MAX_FILE:
            raise Problem(path, 1, f"{len(content)} bytes; a filter file may have {MAX_FILE}")
        return yaml.compose(content.decode("utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Problem(path, line, f"not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, OSError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(path, 1, f"cannot be read: {error}") from error


def _by_key(path, root):
    nodes = {}
    for key_node, node in root.value:
        key, line = key_node.value, key_node.start_mark.line + 1
        if not isinstance(key, str) or key not in FORMS:
            raise Problem(path, line, f"unknown key `{key}`{nearest(str(key), FORMS)}; there are "
                          f"{', '.join(FORMS)}")
        if key in nodes:
            raise Problem(path, line, f"`{key}` is there twice")
        nodes[key] = node
    return nodes


def _value(path, key, node):
    form, wanted = FORMS[key]
    try:
        return form(yaml.SafeLoader("").construct_document(node))
    except (ValueError, TypeError, OverflowError, yaml.YAMLError, RecursionError) as error:
        message = f"{key}: {error}; it should be {wanted}"
        raise Problem(path, node.start_mark.line + 1, message) from error


def _refuse(value, wanted):
    raise ValueError(f"{reprlib.repr(value)} is not {wanted}")


def _text(value):
    return value.rstrip() if isinstance(value, str) and value.strip() else _refuse(value, "text")


def _name(value):
    is_name = isinstance(value, str) and NAME.fullmatch(value)
    return value if is_name else _refuse(value, "a name")


def _surveys(value):
    is_list = isinstance(value, list) and value and all(isinstance(v, str) for v in value)
    if not is_list or len(set(value)) < len(value):
        _refuse(value, "a list of different surveys")
    return tuple(value)


def _one_of(choices):
    return lambda value: value if value in choices else _refuse(value, "one of these")


def _quota(value):
    match = QUOTA.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) * QUOTA_UNITS[match[2]] if match else _refuse(value, "a quota")


def _date(value):
    return value if type(value) is datetime.date else _refuse(value, "a date")


def _examples(value):
    for example in value if isinstance(value, list) else _refuse(value, "a list"):
        if not isinstance(example, dict) or set(example) != {"say", "row", "expect"}:
            _refuse(example, "an example with say, row and expect")
        if not isinstance(example["row"], dict) or example["expect"] not in ("pass", "reject"):
            _refuse(example, "an example with a row of columns that should pass or reject")
    missing = {"pass", "reject"} - {example["expect"] for example in value}
    if missing:
        raise ValueError(f"none that expects {' and none that expects '.join(sorted(missing))}")
    return tuple(value)


FORMS = {
    "name": (_name, "the file's name without .yaml: 3 to 60 lower-case letters, digits and _"),
    "owner": (_text, "who answers for the filter, a name or an address"),
    "topic": (_text, "the Kafka topic, fink_NAME_{survey}"),
    "profile": (_one_of(PROFILES), f"the form of a message: {', '.join(PROFILES)}"),
    "surveys": (_surveys, "the surveys it is for, such as [one, other]"),
    "says": (_text, "what it selects, in a sentence"),
    "where": (_text, "the condition, in the filter language"),
    "payload": (_one_of(PAYLOADS), f"what a message carries: {', '.join(PAYLOADS)}"),
    "quota": (_quota, "the most it may send, such as 100 MB/night"),
    "expires": (_date, "the last day it is live, such as 2027-12-31"),
    "examples": (_examples, "a list of {say: TEXT, row: {COLUMN: VALUE}, expect: pass or reject}, "
                            "at least one of each"),
}
"""Key → the function that reads its value, and what the user should write there."""

DEFAULTS = {"profile": "fink-live"}
