"""The demo: a simulated night of every survey, from Kafka to Kafka, while one watches.

Everything lies in var/demo and is made anew: a Kafka server, the tables, the truth. It ends when
every packet sent has become a row of bronze, every readable one a row of silver, and distribute
has seen them all; then it reconciles the counts from the tables themselves.
"""

import contextlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from fink_like import client, config, jars, java, reports
from fink_like.display import Display
from fink_like.errors import BrokerError, SetupError
from fink_like.kafka_server import KafkaServer

PATIENCE_S = 300  # without any progress the demo gives up and says so
MIN_POINTS = 4  # of a light curve worth a picture


def run(settings, keep=False):
    """Play the demo.

    Parameters
    ----------
    settings : Settings
        Only its root is used: the demo has its own Kafka and tables.
    keep : bool
        Leave everything running until Ctrl-C.

    Returns
    -------
    int
        0 if all counts reconcile.
    """
    began = time.monotonic()
    folder = Path(settings.root) / "var" / "demo"
    night = yaml.safe_load((settings.conf / "demo.yaml").read_text())
    _make_room(folder)
    java.use(java.find_java())
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(KafkaServer(folder / "kafka"))
        settings = config.load(settings.root, data=str(folder / "data"),
                               **{"kafka.servers": server.servers})
        show = stack.enter_context(Display(settings, night["topics"], f"Kafka at {server.servers}"))
        senders = _send(settings, night, folder, stack)
        spark = _spark(settings, stack)
        code = _play(settings, spark, show, senders, keep)
    _summary(settings, night, folder, senders)
    print(f"\n{time.monotonic() - began:.0f} s in all.")
    return code or int(not _reconciles(settings, senders))


def _make_room(folder):
    state = KafkaServer(folder / "kafka").status() if (folder / "kafka").exists() else None
    if state:
        raise SetupError(f"another demo is running (Kafka pid {state.pid}, {state.servers}); end it "
                         f"with Ctrl-C where it runs, or end that process")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _send(settings, night, folder, stack):
    """One simulator a survey, each a process as a user would start it."""
    from fink_like.spark import kafka
    kafka.ensure_topics(settings, [t["topic"] for t in night["topics"].values()], partitions=2)
    senders = {}
    for survey, what in night["topics"].items():
        command = [sys.executable, "-m", "fink_like", "simulate", "--survey", survey,
                   "--alerts", str(what["alerts"]), "--nights", str(what["nights"]),
                   "--seed", str(night["seed"]), "--topic", what["topic"],
                   "--servers", settings.kafka.servers,
                   "--truth", str(folder / "truth" / f"{survey}.parquet")]
        command += [f"--fault={kind}={share}" for kind, share in night["faults"].items()]
        log = stack.enter_context((folder / f"simulate_{survey}.log").open("w"))
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                   cwd=settings.root)
        stack.callback(_end, process)
        senders[survey] = process
    return senders


def _end(process):
    if process.poll() is None:
        process.terminate()
        process.wait(20)


def _spark(settings, stack):
    from fink_like.spark import session
    spark = session.build(settings, "fink_like demo", jars.paths("spark"))
    stack.callback(spark.stop)
    return spark


def _play(settings, spark, show, senders, keep):
    """Run the three jobs until all is done, or for ever."""
    from fink_like.jobs import distribute, ingest, science, supervisor
    latest = {"state": None, "at": time.monotonic()}

    def watch():
        _check(senders, settings)
        seen = show.refresh()
        if seen != latest["state"]:
            latest.update(state=seen, at=time.monotonic())
        if time.monotonic() - latest["at"] > PATIENCE_S:
            raise BrokerError(f"no progress for {PATIENCE_S} s; look into {settings.data}/..")
        sent = all(process.poll() == 0 for process in senders.values())
        return not keep and sent and show.is_all_done()

    return supervisor.supervise([ingest, science, distribute], settings, spark, watch=watch)


def _check(senders, settings):
    for survey, process in senders.items():
        if process.poll():
            log = Path(settings.data).parent / f"simulate_{survey}.log"
            raise BrokerError(f"the simulator of {survey} ended with {process.returncode}:\n"
                              + "\n".join(log.read_text().splitlines()[-5:]))


def counts(settings):
    """Rows of the tables, counted in the tables.

    Returns
    -------
    dict
        ``bronze`` {(survey, state): rows}, ``silver`` {survey: rows}, ``topics`` {topic: rows},
        ``repeated`` Kafka coordinates that bronze has more than once.
    """
    bronze = client.open_table(settings.data, "bronze", columns=["survey", "state", "topic",
                                                                 "partition", "offset"])
    silver = client.open_table(settings.data, "silver", columns=["survey"])
    sent = client.open_table(settings.data, "deliveries", columns=["topic", "outcome"])
    places = ["topic", "partition", "offset"]
    return {"bronze": bronze.groupby(["survey", "state"]).size().to_dict(),
            "silver": silver.groupby("survey").size().to_dict(),
            "topics": sent[sent["outcome"] == "sent"].groupby("topic").size().to_dict(),
            "repeated": int(bronze.duplicated(places).sum())}


def produced(settings, night):
    """Messages that the simulators' truth tables list, by survey."""
    import pyarrow.parquet as pq
    folder = Path(settings.data).parent / "truth"
    return {survey: pq.read_metadata(folder / f"{survey}.parquet").num_rows
            for survey in night}


def _reconciles(settings, surveys):
    found, sent = counts(settings), produced(settings, surveys)
    per_survey = {s: sum(n for (survey, _), n in found["bronze"].items() if survey == s)
                  for s in surveys}
    readable = {s: found["bronze"].get((s, "ok"), 0) for s in surveys}
    return (per_survey == sent and found["repeated"] == 0
            and readable == {s: found["silver"].get(s, 0) for s in surveys})


def _summary(settings, night, folder, senders):
    from rich.console import Console
    from rich.table import Table
    found, sent = counts(settings), produced(settings, senders)
    table = Table(title="What became of the packets")
    for name in ("survey", "produced", "bronze ok", "dead letters", "silver", "reconciles"):
        table.add_column(name, justify="left" if name == "survey" else "right")
    for survey in senders:
        ok = found["bronze"].get((survey, "ok"), 0)
        dead = sum(n for (s, state), n in found["bronze"].items() if s == survey and state != "ok")
        silver = found["silver"].get(survey, 0)
        good = sent[survey] == ok + dead and ok == silver and not found["repeated"]
        table.add_row(survey, *map(str, (sent[survey], ok, dead, silver)), "yes" if good else "NO")
    console = Console(highlight=False)
    console.print(table)
    substreams = Table("substream topic", "alerts", title="Substreams")
    for topic, rows in sorted(found["topics"].items()):
        substreams.add_row(topic, str(rows))
    console.print(substreams)
    latency = reports.totals(reports.JobFiles(settings.data))["latency_s"]
    if latency:
        console.print("Kafka to Kafka in the last batch: median {:.1f} s, 95 % {:.1f} s, all "
                      "{:.1f} s (Spark's start included).".format(*latency))
    _what_next(settings, folder, console)


def _what_next(settings, folder, console):
    alert = _worth_a_picture(settings)
    where = folder.relative_to(settings.root)
    if alert is not None:
        client.plot_alert(settings.data, alert, folder / "alert.png")
        console.print(f"\nA light curve with its cutouts: {where}/alert.png")
        console.print("Try next:")
        console.print(f"  bin/fink-like trace {alert['diaSourceId']} --data {where}/data"
                      "     where that alert went, and why")
    console.print("  bin/demo --keep                                leaves it running: then, "
                  "elsewhere, `bin/fink-like listen fink_solar_system_...`")
    console.print("  conf/filters/rising_transient.yaml             a substream is such a file: "
                  "copy it, change it, run bin/demo again")


def _worth_a_picture(settings):
    """The delivered alert with the best sampled light curve, or any alert."""
    silver = client.open_table(settings.data, "silver", columns=["diaSourceId", "n_det_in_packet",
                                                                 "quality.is_clean"])
    sent = client.open_table(settings.data, "deliveries", columns=["diaSourceId"])
    good = silver[silver["diaSourceId"].isin(sent["diaSourceId"])
                  & (silver["n_det_in_packet"] >= MIN_POINTS)]
    chosen = (good if len(good) else silver).sort_values(["n_det_in_packet", "diaSourceId"])
    if chosen.empty:
        return None
    import pyarrow.compute as pc
    number = int(chosen["diaSourceId"].iloc[-1])
    return client.open_table(settings.data, "silver",
                             where=pc.field("diaSourceId") == number).iloc[0]
