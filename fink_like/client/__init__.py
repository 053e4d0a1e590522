"""What scientists and notebooks use: substreams and tables, without Spark or Java.

>>> from fink_like import client
>>> with client.Subscriber("broker:9092", "fink_rising_transient_lsst", "me",
...                        state="~/alerts") as alerts:                      # doctest: +SKIP
...     for alert in alerts:
...         print(client.describe(alert))
>>> silver = client.open_table("var/demo/data", "silver")                    # doctest: +SKIP
>>> row = silver[silver["quality.is_clean"]].iloc[0]                         # doctest: +SKIP
>>> client.plot_alert("var/demo/data", row, "alert.png")                     # doctest: +SKIP

One notion goes through all of it, the *row*: an alert's columns by their names in silver, structs
flattened (``rates.slope``, ``lc.psfFlux``). A line of `open_table` is one, ``alert.row`` of a
received alert is one.

``subscriber`` receives, ``seen`` remembers what was received, ``received`` is one alert and its
description; ``archive`` reads tables, ``readers`` makes VACUUM wait, ``stored_packets`` brings
packets and cutouts back from tables, ``declared`` finds surveys and schemas, ``pictures`` draws.
"""

from fink_like.client.archive import light_curve, open_dataset, open_table
from fink_like.client.pictures import draw, plot_alert
from fink_like.client.readers import forget_reader, register_reader
from fink_like.client.received import Alert, describe
from fink_like.client.stored_packets import cutouts, packet
from fink_like.client.subscriber import Subscriber

__all__ = ["Alert", "Subscriber", "cutouts", "describe", "draw", "forget_reader", "light_curve",
           "open_dataset", "open_table", "packet", "plot_alert", "register_reader"]
