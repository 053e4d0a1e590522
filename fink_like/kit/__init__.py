"""The kit: what a science module is written with, and what runs it. No Spark, no network."""

from fink_like.kit.applies import ALWAYS, at_least, has
from fink_like.kit.cleaning import binned, joined, outliers
from fink_like.kit.cutout_shapes import cutout_statistics
from fink_like.kit.cutouts import Cutouts, StampStatus
from fink_like.kit.fits import linear_model, polynomial_fit
from fink_like.kit.image_moments import centroids, moments
from fink_like.kit.lightcurve import (HISTORY, LIGHT_CURVE, MAG_PER_RELATIVE_FLUX, LightCurve,
                                      linear_fit, magnitudes, weighted_mean)
from fink_like.kit.module import ModuleSpec, science_module
from fink_like.kit.point_spread import PointSpread
from fink_like.kit.ragged import Ragged
from fink_like.kit.resampling import resampled
from fink_like.vocabulary import BANDS, Field, Status

__all__ = ["ALWAYS", "BANDS", "Cutouts", "Field", "HISTORY", "LIGHT_CURVE", "LightCurve",
           "MAG_PER_RELATIVE_FLUX", "ModuleSpec", "PointSpread", "Ragged", "StampStatus", "Status",
           "at_least", "binned", "centroids", "cutout_statistics", "has", "joined", "linear_fit",
           "linear_model", "magnitudes", "moments", "outliers", "polynomial_fit", "resampled",
           "science_module", "weighted_mean"]
