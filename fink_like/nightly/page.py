"""The report of a night as Markdown: the first line says whether it balances."""

import time

WAYS = {"ingest": "to bronze", "science": "to silver", "distribute": "to a substream"}
COUNTS = ("received", "readable", "dead", "waiting", "redriven", "scored", "keys_only",
          "duplicates", "to_science", "to_distribute")
HEADS = ("received", "readable", "dead letters", "waiting", "read later", "scored", "keys only",
         "repeated", "not yet scored", "not yet routed")
MOST = 20  # discrepancies that are named; all are in report.json


def page(found):
    """The report.

    Parameters
    ----------
    found : dict
        As it goes to ``report.json``.

    Returns
    -------
    str
    """
    wrong = found["balance"]["discrepancies"]
    state = "balances" if found["balances"] else f"DOES NOT BALANCE: {len(wrong)} discrepancies"
    parts = [f"# Night {found['night']}: {state}", _summary(found),
             _list("Alarms", found["alarms"], "None."),
             _list("Discrepancies", [_discrepancy(one) for one in wrong[:MOST]], None),
             _surveys(found["balance"]["surveys"]), "![Rate](rate.png)", _latency(found),
             "![Latency](latency.png)", "![Waiting](lag.png)",
             _counted("Topics", "topic", found["topics"]), _letters(found["dead_letters"]),
             _counted("Substreams", "topic", found["filters"]),
             _counted("Science modules", "module", found["modules"]),
             _counted("Repeated alerts", "survey", found["duplicates"]),
             _sizes(found["sizes"]), _slowest(found["slowest"]), _tables(found["tables"]),
             f"Written {time.strftime('%F %T', time.gmtime())} UTC; all figures: report.json."]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(found):
    surveys = found["balance"]["surveys"].values()
    sent = sum(outcomes.get("sent", 0) for outcomes in found["filters"].values())
    return (f"{sum(s['received'] for s in surveys):,} messages received, "
            f"{sum(s['scored'] for s in surveys):,} alerts scored, {sent:,} sent; "
            f"{sum(found['dead_letters'].values()):,} dead letters; {len(found['alarms'])} alarms.")


def _discrepancy(one):
    batch = f" (batch {one['batch']})" if one["batch"] is not None else ""
    return f"{one['kind']}: {one['table']}: {one['count']}: {one['where']}{batch}"


def _surveys(surveys):
    rows = [(name, *(counts[key] for key in COUNTS)) for name, counts in surveys.items()]
    return _table("Balance", ("survey", *HEADS), rows)


def _latency(found):
    rows = [(f"{job} ({WAYS[job]})", *(f"{q:.1f}" for q in quantiles))
            for job, quantiles in found["latency_s"].items()]
    return _table("Seconds from the survey's topic", ("station", "50 %", "95 %", "99 %", "largest"),
                  rows)


def _counted(title, what, groups):
    kinds = sorted({kind for counts in groups.values() for kind in counts}, key=str)
    rows = [(name, *(counts.get(kind, 0) for kind in kinds)) for name, counts in groups.items()]
    return _table(title, (what, *kinds), rows)


def _letters(reasons):
    rows = sorted(reasons.items(), key=lambda one: -one[1])
    picture = "\n\n![Dead letters](dead_letters.png)" if rows else ""
    return _table("Dead letters", ("reason", "messages"), rows) + picture


def _sizes(sizes):
    rows = [(table, s["before"]["files"], s["after"]["files"], f"{s['before']['bytes'] / 1e6:,.1f}",
             f"{s['after']['bytes'] / 1e6:,.1f}") for table, s in sizes.items()]
    head = ("table", "files before", "after", "MB before", "after")
    return _table("Compaction", head, rows) + ("\n\n![Sizes](sizes.png)" if rows else "")


def _slowest(batches):
    rows = [(b["job"], f"{b['kind']} {b['batch']}", b["committed_at"], f"{b['seconds']:.1f}",
             b["rows"]) for b in batches]
    return _table("Slowest batches", ("job", "batch", "committed (UTC)", "seconds", "rows"), rows)


def _tables(tables):
    rows = [(name, "nothing" if kept["hours"] is None else f"{kept['hours']} h", kept["newest"],
             ", ".join(f"{who}: {version}" for who, version in kept["readers"].items()) or "-")
            for name, kept in tables.items()]
    head = ("table", "deleted: files replaced before", "newest version", "who reads from which")
    return _table("Files kept for readers", head, rows)


def _list(title, lines, nothing):
    if not lines:
        return nothing and f"## {title}\n\n{nothing}"
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines)


def _table(title, head, rows):
    """A table, numbers to the right; nothing if it has no rows."""
    if not rows:
        return ""
    sides = ["---" if isinstance(cell, str) and not cell[:1].isdigit() else "--:"
             for cell in rows[0]]
    lines = [head, sides, *([_cell(cell) for cell in row] for row in rows)]
    return f"## {title}\n\n" + "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _cell(cell):
    return f"{cell:,}" if isinstance(cell, int) else str(cell).replace("|", "\\|")
