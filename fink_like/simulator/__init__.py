"""A sky with truth, seen by a survey, as the survey's packets or as light curves in bulk.

>>> from fink_like import simulator
>>> model = simulator.open_survey(root, survey)                        # doctest: +SKIP
>>> for batch in simulator.night(model, 10_000, seed=1):               # doctest: +SKIP
...     batch.values, batch.truth
>>> light_curves = simulator.light_curves(model, 10_000, seed=1)       # doctest: +SKIP

From seed to bytes: ``cadence`` lays out fields and exposures; ``populations`` draws objects, whose
light curves are in ``transients``, ``variables`` and ``asteroids``; ``observing`` adds noise and
keeps what is detected; ``columns`` names the quantities; a survey's recipe (``recipe``,
``expressions``) fills the packet's fields from them; ``stamps`` and ``fits`` draw cutouts;
``encoder`` and ``wires`` write bytes; ``publish`` sends them to Kafka or files. For training,
``calendars`` gives each field exposures of its own, as its world (``worlds``) says, ``moments``
choose the alert, and ``neutral`` makes the columns that the packets would give. All randomness is
a hash of what it is for (``dice``).
"""

from fink_like.simulator.light_curves import COLUMNS, LightCurves, light_curves
from fink_like.simulator.moments import any_detection, at_age, last_detection, nth_detection
from fink_like.simulator.nights import Batch, night
from fink_like.simulator.recipe import SurveyModel, open_survey

__all__ = ["COLUMNS", "Batch", "LightCurves", "SurveyModel", "any_detection", "at_age",
           "last_detection", "light_curves", "night", "nth_detection", "open_survey"]
