"""What a monitoring system may ask of the broker: a closed list of names.

The text is Prometheus' (https://prometheus.io/docs/instrumenting/exposition_formats/), for its
node exporter's textfile collector: ``fink-like status --prometheus > fink_like.prom``.
"""

PREFIX = "fink_like_"

METRICS = {
    "job_age_seconds": (("job",), "Seconds since the job's last sign of life."),
    "job_running": (("job",), "1: a living process holds the job's lease."),
    "batch_rows": (("job",), "Rows of the job's last batch."),
    "batch_seconds": (("job",), "From that batch's start to its commit."),
    "latency_seconds": (("job", "quantile"), "From the survey's topic to the job's table or "
                                             "substream, in that batch."),
    "ledger_age_seconds": (("job",), "Since the commit that the ledger's newest line tells of."),
    "lag_messages": (("topic", "partition"), "Messages in Kafka that ingest has not read."),
    "dead_letters_open": ((), "Messages that could not be read, and not later either."),
    "flood_alarm": ((), "1: most of a batch was unreadable, and nobody has resumed since."),
    "paused": ((), "1: ingest waits for `fink-like resume`."),
    "module_off": (("module",), "1: it failed batch after batch and is off; 0: it failed of late."),
    "gaps_not_accepted": ((), "Gaps in Kafka at which ingest has stopped."),
    "disk_used_ratio": ((), "Share of the data's disk that is full."),
}
"""Name -> (labels, meaning). All are gauges."""


def render(samples):
    """Metrics as text.

    Parameters
    ----------
    samples : list of tuple
        (name, {label: value}, number); None in place of a number: left out.

    Returns
    -------
    str

    Raises
    ------
    KeyError
        A name, or labels, that the list above has not.
    """
    lines, told = [], {}
    for name, labels, value in samples:
        wanted, _ = METRICS[name]
        if set(labels) != set(wanted):
            raise KeyError(f"{name} has the labels {wanted}, not {tuple(labels)}")
        if value is not None:
            told.setdefault(name, []).append((labels, value))
    for name, (_, meaning) in METRICS.items():
        if name in told:
            lines += [f"# HELP {PREFIX}{name} {meaning}", f"# TYPE {PREFIX}{name} gauge"]
            lines += [f"{PREFIX}{name}{_labels(labels)} {float(value):.10g}"
                      for labels, value in told[name]]
    return "\n".join([*lines, ""])


def _labels(labels):
    quoted = [f'{name}="{_escaped(str(value))}"' for name, value in labels.items()]
    return "{" + ",".join(quoted) + "}" if quoted else ""


def _escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
