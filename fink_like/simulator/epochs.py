"""Exposures of a field, of many fields, or of many objects."""

from dataclasses import dataclass, replace

import numpy as np

OF_EXPOSURES = ("mjd", "band", "limit_flux", "tick", "in_run", "taken")


@dataclass(frozen=True)
class Epochs:
    """Exposures of one field up to and including a visit, ascending in time.

    Arrays have shape (epochs,); times are MJD TAI of the middle; `limit_flux` is the 5-sigma
    limit in nJy; `band` counts the recipe's bands, whose wavelengths in Angstrom are `passbands`;
    `in_run` is -1 for earlier exposures.

    Exposures of many fields, or of many objects, have shape (n, epochs), and `field`, `ra`, `dec`
    (n,). They end together; to the left they are filled up with what is not `taken`.
    """

    field: int
    ra: float
    dec: float
    mjd: np.ndarray
    band: np.ndarray
    limit_flux: np.ndarray
    tick: np.ndarray
    in_run: np.ndarray
    passbands: np.ndarray
    taken: np.ndarray | bool = True

    @property
    def wavelength(self):
        """Angstrom, of each exposure."""
        return self.passbands[self.band]

    def take(self, rows):
        """Some of the rows; of one field, the same for all."""
        if np.ndim(self.mjd) == 1:
            return self
        return replace(self, **{name: value[rows] for name, value in vars(self).items()
                                if np.ndim(value) and name != "passbands"})

    def ending(self, last):
        """Exposures of each row, or of each object of one field, up to another last one.

        Parameters
        ----------
        last : numpy.ndarray of int, shape (n,)
        """
        places, inside = ending_places(last, np.shape(self.mjd)[-1])
        moved = {name: np.take_along_axis(np.broadcast_to(getattr(self, name), places.shape),
                                          places, axis=1) for name in OF_EXPOSURES}
        return replace(self, **{**moved, "taken": moved["taken"] & inside})


def ending_places(last, n_epochs):
    """Where each epoch comes from when the epochs `last` become the last ones.

    Returns
    -------
    tuple of numpy.ndarray, shape (n, n_epochs)
        Epoch to take, 0 where there is none so early; whether there is one.
    """
    places = last[:, None] + np.arange(1 - n_epochs, 1)
    return np.maximum(places, 0), places >= 0
