"""What to do about a dead letter, by its reason."""

SHOW = ("Damaged before it came to us. One is noise; are there more, export them and show them to "
        "the survey's team: fink-like dead-letters export --reason REASON --to FOLDER")
REPLAY = "then: fink-like dead-letters replay --reason REASON"

ADVICE = {
    "empty": "Nothing: there is nothing to read. Are there many, ask the survey's team why.",
    "unknown_topic": "Is it a survey's topic, widen `topics` of its file in conf/surveys, start "
                     f"ingest again, {REPLAY}",
    "not_this_wire_form": "Is all of the topic so, `wire` of its survey's file in conf/surveys is "
                          f"wrong: mend it, start ingest again, {REPLAY}. Else: " + SHOW,
    "truncated": SHOW,
    "bad_container": SHOW,
    "record_count": "We read one record a message. Does the survey send more on purpose, tell the "
                    "developers; the messages are kept.",
    "unknown_codec": "Install what reads it (`CODECS` of fink_like/packets/container.py), "
                     + REPLAY,
    "schema_invalid": SHOW,
    "unknown_schema": "Put the schema of this id into schemas/SURVEY/ (see fink_like/packets/"
                      f"schemas.py), or set `registry`; start ingest again, {REPLAY}",
    "schema_unreachable": f"Is the registry (setting `registry`) up? When it answers, {REPLAY}",
    "undecodable": SHOW,
    "surplus_bytes": "Bytes follow the record: often a schema other than the one that its id "
                     "names. Compare schemas/SURVEY with the survey's own; else: " + SHOW,
    "keys_missing": "The fields are not where the survey's file in conf/surveys says: compare it "
                    f"with the schema; start ingest again, {REPLAY}",
}
