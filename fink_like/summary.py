"""The demo's end: counts from the tables themselves, a picture, and what to try next."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from fink_like import client
from fink_like.client.archive import PLACE

MIN_POINTS = 4  # of a light curve worth a picture


def counts(settings, surveys):
    """Alerts at each station, counted in the tables.

    Parameters
    ----------
    settings : Settings
    surveys : list of str

    Returns
    -------
    dict
        Survey -> ``produced`` (its truth table), ``ok`` and ``dead`` in bronze, ``silver``,
        ``repeated`` (Kafka coordinates that bronze has more than once).
    """
    bronze = client.open_table(settings.data, "bronze", columns=["survey", "state", *PLACE])
    silver = client.open_table(settings.data, "silver", columns=["survey"])
    found = {}
    for survey in surveys:
        rows = bronze[bronze["survey"] == survey]
        ok = int((rows["state"] == "ok").sum())
        truth = Path(settings.data).parent / "truth" / f"{survey}.parquet"
        found[survey] = {"produced": pq.read_metadata(truth).num_rows, "ok": ok,
                         "dead": len(rows) - ok, "silver": int((silver["survey"] == survey).sum()),
                         "repeated": int(rows.duplicated(PLACE).sum())}
    return found


def reconciles(settings, surveys):
    """Whether produced = bronze + dead letters and bronze = silver, and nothing is there twice."""
    return all(_balances(found) for found in counts(settings, surveys).values())


def _balances(found):
    return (found["produced"] == found["ok"] + found["dead"] and found["ok"] == found["silver"]
            and found["repeated"] == 0)


def show(settings, surveys, folder):
    """Print the summary and draw the picture.

    Parameters
    ----------
    settings : Settings
    surveys : list of str
    folder : Path
        Of the demo.
    """
    console = Console(highlight=False, soft_wrap=True)
    table = Table("survey", title="What became of the packets")
    for name in ("produced", "bronze", "dead letters", "silver", "reconciles"):
        table.add_column(name, justify="right")
    for survey, found in counts(settings, surveys).items():
        numbers = (found["produced"], found["ok"], found["dead"], found["silver"])
        table.add_row(survey, *map(str, numbers), "yes" if _balances(found) else "NO")
    console.print(table)
    _show_substreams(settings, console)
    _show_what_next(settings, folder, console)


def _show_substreams(settings, console):
    sent = client.open_table(settings.data, "deliveries")
    sent = sent[sent["outcome"] == "sent"]
    seconds = (sent["sent_at"] - sent["kafka_time"]).dt.total_seconds()
    table = Table("substream topic", title="Substreams")
    for name in ("alerts", "median latency", "95 %"):
        table.add_column(name, justify="right")
    for topic, delays in seconds.groupby(sent["topic"]):
        table.add_row(topic, str(len(delays)), f"{delays.median():.1f} s",
                      f"{delays.quantile(0.95):.1f} s")
    console.print(table)
    console.print("Latency is from the survey's topic to the substream's, the cold start of the "
                  "first batch included.")


def _show_what_next(settings, folder, console):
    alert = _worth_a_picture(settings)
    where = folder.relative_to(settings.root)
    traced = "ALERT_ID"
    if alert is not None:
        client.plot_alert(settings.data, alert, folder / "alert.png")
        console.print(f"\nA light curve with its cutouts: {where}/alert.png")
        traced = alert["diaSourceId"]
    console.print("Try next:")
    console.print(f"  bin/fink-like trace {traced} --data {where}/data   (its way through the "
                  "broker, and why)")
    console.print("  bin/demo --keep   (goes on until Ctrl-C; then `bin/fink-like listen TOPIC "
                  "--servers ...` elsewhere)")
    console.print("  conf/filters/solar_system.yaml   (a substream is such a file: copy it, change "
                  "it, run bin/demo again)")


def _worth_a_picture(settings):
    """The delivered clean alert with the best sampled light curve, else any alert."""
    columns = ["diaSourceId", "n_det_in_packet", "quality.is_clean", "psfFlux"]
    silver = client.open_table(settings.data, "silver", columns=columns)
    sent = client.open_table(settings.data, "deliveries", columns=["diaSourceId"])
    good = silver[silver["diaSourceId"].isin(sent["diaSourceId"]) & (silver["psfFlux"] > 0)
                  & (silver["n_det_in_packet"] >= MIN_POINTS)]
    chosen = (good if len(good) else silver).sort_values(["n_det_in_packet", "diaSourceId"])
    if chosen.empty:
        return None
    number = int(chosen["diaSourceId"].iloc[-1])
    return client.open_table(settings.data, "silver",
                             where=pc.field("diaSourceId") == number).iloc[0]
