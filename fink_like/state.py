"""How the broker fares now: read from small files and the tables' logs in about a second."""

import json
import shutil
import time
from pathlib import Path

from fink_like import metrics, reports
from fink_like.errors import SetupError
from fink_like.jobs.errands import DOING
from fink_like.spark import lease

NEWEST = 20  # versions of a ledger that are looked at: compaction's have no new line
LARGEST = 3  # partitions of a topic that are named
QUANTILES = {"0.5": "latency_p50", "0.95": "latency_p95", "1": "latency_max"}


def state(settings):
    """How the jobs fare, what waits, and what is wrong.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    dict
        ``jobs`` {name: age_s, doing, lease, last (batch)}, ``lag`` {topic: {partition: messages}},
        ``lag_age_s``, ``flood``, ``gaps`` (at which ingest has stopped), ``modules`` {name: off,
        message, ...} that failed of late, ``dead_letters_open``, ``disk_used``; None where nothing
        is known yet.
    """
    files = reports.JobFiles(settings.data)
    ingest = files.of("ingest")
    return {"jobs": {job: _job(settings, files, job) for job in reports.JOBS},
            "lag": ingest.read("lag.json") or {}, "lag_age_s": ingest.age("lag.json"),
            "flood": ingest.read("flood.json"),
            "gaps": (ingest.read("refused.json") or {"gaps": []})["gaps"],
            "modules": _modules(files.of("science").below("modules")),
            "dead_letters_open": _open_letters(settings.data), "disk_used": _disk(settings.data)}


def _job(settings, files, job):
    held = files.of(job).read(lease.FILE)
    return {"age_s": files.age(job), "last": _last_batch(settings.data, job),
            "doing": files.of(job).read(DOING) if lease.is_held(held) else None,
            "lease": {name: held[name] for name in ("host", "pid")}
            if lease.is_held(held) else None}


def _modules(breakers):
    found = {name.removesuffix(".json"): breakers.read(name) for name in breakers.names()}
    return {name: kept for name, kept in found.items() if kept}


def _last_batch(data, job):
    """What the ledger's newest batch did, all topics and partitions together."""
    lines = _newest_lines(data, job)
    lines = [line for line in lines if line["kind"] == "batch"]
    if not lines:
        return None
    newest = max(line["table_version"] for line in lines)
    lines = [line for line in lines if line["table_version"] == newest]
    rows = sum(line["rows"] for line in lines)
    latest = {quantile: max((line[name] for line in lines if line[name] is not None), default=None)
              for quantile, name in QUANTILES.items()}  # of the slowest partition
    return {"batch": lines[0]["batch"], "rows": rows, "seconds": lines[0]["seconds"],
            "rate": rows / max(lines[0]["seconds"], 1e-3), "latency_s": latest,
            "ledger_age_s": time.time() - lines[0]["committed_at"].timestamp()}


def _newest_lines(data, job):
    """Lines that the ledger's newest commits added; reads no other file of it."""
    import pyarrow.parquet as pq
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError
    files, root = reports.filesystem(data)
    ledger = f"{root}/ledger/{job}"
    try:
        version = DeltaTable(f"{str(data).rstrip('/')}/ledger/{job}").version()
    except TableNotFoundError:
        return []
    for one in range(version, max(-1, version - NEWEST), -1):
        with files.open_input_file(f"{ledger}/_delta_log/{one:020d}.json") as log:
            actions = [json.loads(line) for line in log.read().splitlines()]
        added = [action["add"] for action in actions if "add" in action]
        if added and all(add["dataChange"] for add in added):
            return [line for add in added
                    for line in pq.read_table(f"{ledger}/{add['path']}",
                                              filesystem=files).to_pylist()]
    return []


def _open_letters(data):
    """Rows that could not be read less those that were later, by the table's log.

    Only re-driven rows are looked for in files, and the log tells which can have any.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from fink_like.client.archive import dataset_of, open_delta
    try:
        bronze = open_delta(data, "bronze")
    except SetupError:
        return None
    files = pa.table(bronze.get_add_actions(flatten=True))
    unread = pc.sum(files.filter(pc.field("partition.state") != "ok")["num_records"]).as_py() or 0
    read = dataset_of(bronze, data, "bronze").count_rows(
        filter=(pc.field("state") == "ok") & (pc.field("attempt") > 0))
    return unread - read


def _disk(data):
    if "://" in str(data):
        return None  # an object store has no end
    path = Path(data).resolve()
    while not path.exists():
        path = path.parent
    usage = shutil.disk_usage(path)
    return 1 - usage.free / usage.total  # as ingest counts it before it waits


def lines(found):
    """A state, written for people.

    Parameters
    ----------
    found : dict
        From `state`.

    Returns
    -------
    list of str
    """
    told = [f"{job:<11}{_job_line(fares)}" for job, fares in found["jobs"].items()]
    told += _lag_lines(found["lag"], found["lag_age_s"])
    if found["dead_letters_open"] is not None:
        told.append(f"unread     {found['dead_letters_open']} dead letters are open")
    if found["disk_used"] is not None:
        told.append(f"disk       {found['disk_used']:.0%} full")
    if found["flood"]:
        told.append(f"ALARM      {found['flood']['said']}" + (
            "; ingest waits for `fink-like resume`" if found["flood"]["paused"] else
            " (clear it: fink-like resume)"))
    told += [f"GAP        {gap['topic']}:{gap['partition']} from {gap['start']} to "
             f"{gap['end'] or '?'}: {gap['cause']}; docs/runbook.md, \"Offsets are gone\""
             for gap in found["gaps"]]
    told += [_module_line(name, kept) for name, kept in found["modules"].items()]
    return told


def _module_line(name, kept):
    if kept["off"]:
        return (f"MODULE     {name} is off since {time.time() - kept['at']:.0f} s ago: "
                f"{kept['message']}; mend it, then `fink-like module resume {name}`")
    return (f"module     {name}: {len(kept['bad'])} bad batches, the last {kept['batch']}: "
            f"{kept['message']}")


def _lag_lines(lag, age):
    behind = {topic: of for topic, of in lag.items() if any(of.values())}
    told = []
    for topic, partitions in behind.items():
        largest = sorted(partitions.items(), key=lambda place: -place[1])[:LARGEST]
        named = ", ".join(f"partition {p}: {n}" for p, n in largest if n)
        told.append(f"lag        {topic}: {sum(partitions.values())} messages ({named})")
    if lag:
        told.append(f"lag        {len(lag) - len(behind)} topics are read to their end"
                    + ("" if age is None else f" (looked {age:.0f} s ago)"))
    return told


def _job_line(fares):
    if fares["age_s"] is None:
        return "no sign of life yet"
    words = [f"alive {fares['age_s']:.0f} s ago"]
    if fares["lease"]:
        words.append(f"runs as process {fares['lease']['pid']} on {fares['lease']['host']}")
    if fares["doing"]:
        words.append(f"does an errand, {fares['doing']['do']}, for "
                     f"{time.time() - fares['doing']['since']:.0f} s")
    last = fares["last"]
    if last:
        half, most, _ = last["latency_s"].values()
        late = "" if half is None else f", {half:.1f} s from Kafka (95 %: {most:.1f} s)"
        words += [f"batch {last['batch']}: {last['rows']} rows in {last['seconds']:.1f} s "
                  f"({last['rate']:.0f}/s){late}", f"ledger {last['ledger_age_s']:.0f} s old"]
    return "; ".join(words)


def prometheus(found):
    """A state as text for Prometheus."""
    samples = [("lag_messages", {"topic": topic, "partition": p}, n)
               for topic, partitions in found["lag"].items() for p, n in partitions.items()]
    for job, fares in found["jobs"].items():
        last, of = fares["last"] or {"latency_s": {}}, {"job": job}
        samples += [("job_age_seconds", of, fares["age_s"]),
                    ("job_running", of, int(fares["lease"] is not None)),
                    ("batch_rows", of, last.get("rows")),
                    ("batch_seconds", of, last.get("seconds")),
                    ("ledger_age_seconds", of, last.get("ledger_age_s"))]
        samples += [("latency_seconds", {**of, "quantile": q}, s)
                    for q, s in last["latency_s"].items()]
    samples += [("dead_letters_open", {}, found["dead_letters_open"]),
                ("flood_alarm", {}, int(found["flood"] is not None)),
                ("paused", {}, int(bool(found["flood"] and found["flood"]["paused"]))),
                *(("module_off", {"module": name}, int(kept["off"]))
                  for name, kept in found["modules"].items()),
                ("gaps_not_accepted", {}, len(found["gaps"])),
                ("disk_used_ratio", {}, found["disk_used"])]
    return metrics.render(samples)
