"""A trained classifier beside a module: features in, calibrated probabilities of classes out.

::

    MODEL = Classifier.beside(__file__)          # model.npz, made by `fink-like module train`

    def matrix(*columns):                        # what it sees: (alerts, features), NaN if missing
        ...

    def my_module(*columns):
        return MODEL.columns(MODEL.probabilities(matrix(*columns)))     # {"p_sn": ..., ...}

The arrays are read when module.py is, and travel with its function to the workers.
"""

from pathlib import Path

import numpy as np

from fink_like.errors import ModuleError
from fink_like.kit.calibration import apply_temperature
from fink_like.kit.mlp import member_probabilities
from fink_like.kit.model_file import load_model
from fink_like.kit.probability import LEAST

FILE = "model.npz"


class Classifier:
    """An ensemble of networks and the temperature that calibrates its mean.

    Parameters
    ----------
    parts : dict or None
        Of `model_file.load_model`: ``mlp``, ``calibration``, ``classes``. None: not yet trained.
    where : str
        Its file, for messages.
    """

    def __init__(self, parts, where=FILE):
        self._parts, self._where = parts, str(where)

    @classmethod
    def beside(cls, module_file):
        """The model in the folder of a module.py; one that is not there yet is said when asked.

        Raises
        ------
        ModuleError
            The file is there and is none of ours.
        """
        path = Path(module_file).parent / FILE
        return cls(load_model(path) if path.exists() else None, path)

    @property
    def parts(self):
        """Its arrays.

        Raises
        ------
        ModuleError
            It has not been trained.
        """
        if self._parts is None:
            raise ModuleError(f"{self._where} is not there yet: `fink-like module train "
                              f"{Path(self._where).parent.name}` makes it")
        return self._parts

    @property
    def classes(self):
        """Names of the classes, in the order of the probabilities."""
        return tuple(self.parts["classes"]["names"].tolist())

    def members(self, features):
        """Probabilities of each network, (M, n, K), not calibrated: for `uncertainty.entropies`."""
        return member_probabilities(self.parts["mlp"], features)

    def probabilities(self, features):
        """Calibrated probabilities.

        Parameters
        ----------
        features : (n, D) array_like
            In the order of the training; NaN where missing.

        Returns
        -------
        (n, K) numpy.ndarray
            Rows sum to 1.

        Raises
        ------
        ModuleError
            It is not trained, or on another number of features.
        """
        mean = self.members(features).mean(axis=0)
        return apply_temperature(self.parts["calibration"], np.log(np.maximum(mean, LEAST)))

    def columns(self, probabilities, prefix="p_"):
        """Outputs of a module: prefix and name of each class -> its probability."""
        return {f"{prefix}{name}": column
                for name, column in zip(self.classes, probabilities.T, strict=True)}
