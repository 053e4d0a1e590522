"""Light-curve features of each band."""

from fink_like.kit import BANDS, LIGHT_CURVE, LightCurve, at_least, science_module
from fink_like.kit.features import FEATURES, describe


@science_module(
    version="2.0",
    inputs=LIGHT_CURVE,
    outputs=tuple(feature.field(band) for band in BANDS for feature in FEATURES),
    applies=at_least(2, "points"),
    budget=40.0)
def features(*columns):
    """Describe the shape of the difference-flux light curve in each band.

    Method
        Detections and forced points of exposures without one; flux in nJy, so that points below
        the template count as well. All bands of all alerts are computed at once. Null where a
        band has too few points, and where a definition divides by 0: see the table in README.md.
    Reference
        Definitions: Malanchev et al. 2021, MNRAS 502, 5147 (arXiv:2012.01419), Appendix A, and
        the sources named in README.md.
    Limits
        As long as the packet: 30 days in ZTF. Difference flux: what is divided by a mean flux
        (mean_variance, excess_variance) is not the star's, see `template_flux`. max_slope and
        eta_e between exposures minutes apart are mostly noise.
    """
    found = describe(LightCurve.of(*columns).by_band().usable())
    by_band = {name: values.reshape(len(BANDS), -1) for name, values in found.items()}
    return {f"{name}_{band}": values[place]
            for name, values in by_band.items() for place, band in enumerate(BANDS)}
