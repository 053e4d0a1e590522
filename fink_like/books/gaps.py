"""What the ranges in the ledger of ingest tell: whether they join, and what lies in gaps."""

import pandas as pd

LOST = "while it was read"  # how the cause of a gap ends that nobody had accepted at the time
RANGE = ["topic", "partition"]


def of_ranges(night):
    """What is wrong with the ranges of offsets; findings as the fields of a Discrepancy."""
    lines = _lines(night)
    for line in lines[lines["mine"]].itertuples():
        where, size = _where(line.topic, line.partition, line.start_offset, line.end_offset), (
            line.end_offset - line.start_offset)
        if line.rows + line.gap != size or line.gap < 0:
            yield ("does_not_add_up", "ledger/ingest", int(abs(size - line.rows - line.gap)) or
                   int(-line.gap), f"{where}: {line.rows:.0f} rows and a gap of {line.gap:.0f} in "
                   f"a range of {size:.0f}", int(line.batch))
        elif line.gap and _cause(night, line) is None:
            yield ("gap_not_accepted", "bronze", int(line.gap),
                   f"{where}: {line.cause or 'no cause known'}", int(line.batch))
    yield from _breaks(night, lines)


def _breaks(night, lines):
    by_place = lines.groupby(RANGE)
    before, near = by_place["end_offset"].shift(), by_place["mine"].shift(fill_value=False)
    wrong = lines[before.notna() & (before != lines["start_offset"]) & (lines["mine"] | near)]
    for line in wrong.assign(before=before[wrong.index]).itertuples():
        between = sorted((int(line.before), int(line.start_offset)))
        accepted = _accepted(night, line.topic, line.partition, *between)
        if line.before > line.start_offset or accepted is None:
            what = "read twice" if line.before > line.start_offset else "in no batch"
            yield ("ranges_do_not_join", "ledger/ingest", between[1] - between[0],
                   f"{_where(line.topic, line.partition, *between)}: {what}", int(line.batch))


def explained(night):
    """The gaps that somebody accepted, or that Kafka itself has.

    Returns
    -------
    list of dict
        where, batch, messages, cause; and the topic.
    """
    lines = _lines(night)
    found = lines[lines["mine"] & (lines["gap"] > 0)]
    return [{"topic": line.topic, "batch": int(line.batch), "messages": int(line.gap),
             "where": _where(line.topic, line.partition, line.start_offset, line.end_offset),
             "cause": _cause(night, line)}
            for line in found.itertuples() if _cause(night, line) is not None]


def ranges(night):
    """What each batch of ingest read: (topic, partition, batch) -> offsets as text."""
    lines = _lines(night)
    return {(line.topic, int(line.partition), int(line.batch)):
            f":{line.start_offset}-{line.end_offset - 1}" for line in lines.itertuples()}


def _lines(night):
    """Lines with a range, in the order of batches; ``mine``: of the nights looked at, or none."""
    lines = night.ledger["ingest"]
    lines = lines[(lines["kind"] == "batch") & lines["start_offset"].notna()]
    lines = lines.sort_values([*RANGE, "batch"], ignore_index=True)
    nights = lines["nights"].explode()
    none = nights[nights.isna()].index
    return lines.assign(mine=lines.index.isin(nights[nights.isin(night.nights)].index)
                        | lines.index.isin(none)).astype(
        {name: "int64" for name in ("start_offset", "end_offset", "gap", "rows")})


def _cause(night, line):
    """Why there is a gap; None: it is not explained."""
    accepted = _accepted(night, line.topic, line.partition, line.start_offset, line.end_offset)
    if accepted is not None:
        return accepted
    return None if pd.isna(line.cause) or line.cause.endswith(LOST) else line.cause


def _accepted(night, topic, partition, start, end):
    for gap in night.accepted:
        if ((gap["topic"], gap["partition"]) == (topic, partition) and gap["start"] < end
                and (gap["end"] is None or gap["end"] > start)):
            return gap["cause"]
    return None


def _where(topic, partition, start, end):
    return f"{topic}:{partition}:{start:.0f}-{end - 1:.0f}"
