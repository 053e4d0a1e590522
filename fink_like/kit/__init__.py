"""The kit: what a science module is written with, and what runs it. No Spark, no network."""

from fink_like.kit.applies import ALWAYS, at_least, has
from fink_like.kit.cleaning import binned, joined, outliers
from fink_like.kit.fits import linear_model, polynomial_fit
from fink_like.kit.lightcurve import (LIGHT_CURVE, MAG_PER_RELATIVE_FLUX, LightCurve, linear_fit,
                                      magnitudes, weighted_mean)
from fink_like.kit.module import ModuleSpec, science_module
from fink_like.kit.ragged import Ragged
from fink_like.vocabulary import BANDS, Field, Status

__all__ = ["ALWAYS", "BANDS", "Field", "LIGHT_CURVE", "LightCurve", "MAG_PER_RELATIVE_FLUX",
           "ModuleSpec", "Ragged", "Status", "at_least", "binned", "has", "joined", "linear_fit",
           "linear_model", "magnitudes", "outliers", "polynomial_fit", "science_module",
           "weighted_mean"]
