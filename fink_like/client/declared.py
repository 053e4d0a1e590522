"""Surveys and packet schemas that a reader needs, found in the project and beside the tables."""

import base64
import json
from functools import lru_cache

from fink_like import config
from fink_like.errors import ConfigError, SchemaError
from fink_like.packets import survey as survey_declarations
from fink_like.packets.schemas import PacketSchema, SchemaBook
from fink_like.reports import filesystem


@lru_cache
def survey(name):
    """The survey that ``conf/surveys/<name>.yaml`` declares.

    Parameters
    ----------
    name : str

    Returns
    -------
    Survey

    Raises
    ------
    ConfigError
        There is no such file, or it is wrong.
    """
    folder = config.load().conf / "surveys"
    try:
        return survey_declarations.load(folder / f"{name}.yaml")
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} does not declare the survey {name!r}; set FINK_LIKE__ROOT to "
                          "the project's folder") from error


@lru_cache(maxsize=256)
def packet_schema(data, survey_name, key):
    """The schema that wrote a packet: kept beside the tables, or of the project's ``schemas/``.

    Parameters
    ----------
    data : str
        Data folder or URL.
    survey_name, key : str
        Columns ``survey`` and ``packet.schema_key`` of silver.

    Returns
    -------
    PacketSchema

    Raises
    ------
    SchemaError
        It is in neither place.
    """
    known = _book(survey_name)
    if key in known:
        return known[key]
    files, folder = filesystem(data)
    path = f"{folder}/schemas/{survey_name}/{key}.json"
    try:
        with files.open_input_file(path) as file:
            kept = json.loads(file.read())
    except FileNotFoundError as error:
        raise SchemaError(f"schema {key} of {survey_name} is neither in {path} nor in the "
                          "project's schemas folder") from error
    return PacketSchema(kept["key"], kept["avro"], base64.b64decode(kept["header"]), kept["codec"])


@lru_cache
def _book(survey_name):
    """Parsing the YAML files takes a second; they do not change while a program runs."""
    return SchemaBook(config.load().schemas / survey_name).known
