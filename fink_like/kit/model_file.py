"""A trained model as one small file of plain arrays, ``model.npz``. No pickle, nothing to execute.

>>> import numpy as np, tempfile
>>> from pathlib import Path
>>> model = {"mlp": {"medians": np.zeros(3)}, "calibration": {"temperature": np.array(1.3)},
...          "classes": {"names": np.array(["SN Ia", "other"])}}
>>> path = Path(tempfile.mkdtemp()) / "model.npz"
>>> sha256 = save_model(path, model)
>>> sha256 == save_model(path, model)                     # the same arrays, the same bytes
True
>>> again = load_model(path)
>>> sorted(again), float(again["calibration"]["temperature"]), again["classes"]["names"].tolist()
(['calibration', 'classes', 'mlp'], 1.3, ['SN Ia', 'other'])

A model's parts are dicts of arrays, as the kit's ``fit_`` and ``train_`` functions return them.
"""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

from fink_like.errors import ModuleError

MOST_BYTES = 2_000_000  # a module's folder is carried to each worker and kept in Git


def save_model(path, parts):
    """Write parts to a file, the same bytes for the same arrays at any time.

    Parameters
    ----------
    path : str or Path
    parts : dict of str to dict of str to numpy.ndarray
        No dot in a part's name.

    Returns
    -------
    str
        SHA-256 of the file in hexadecimal, for the model's card.

    Raises
    ------
    ModuleError
        An array holds Python objects, a name is not usable, or the file would exceed 2 MB; nothing
        is written then.
    """
    flat = {f"{part}.{name}": np.asarray(array, order="C")
            for part, arrays in parts.items() for name, array in arrays.items()}
    objects = [name for name, array in flat.items() if array.dtype.hasobject]
    dotted = [part for part in parts if "." in part or not part]
    if objects or dotted:
        raise ModuleError(f"{path}: arrays of Python objects: {objects}; parts with a dot in their "
                          f"name or none: {dotted}; neither can be stored")
    stream = io.BytesIO()
    np.savez(stream, **dict(sorted(flat.items())))  # numpy dates each member 1980-01-01
    content = stream.getvalue()
    if len(content) > MOST_BYTES:
        largest = max(flat, key=lambda name: flat[name].nbytes)
        raise ModuleError(f"{path}: {len(content):,} bytes, {MOST_BYTES:,} are allowed; the "
                          f"largest array is {largest} {flat[largest].shape} {flat[largest].dtype}")
    Path(path).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def load_model(path):
    """The parts that `save_model` wrote.

    Raises
    ------
    ModuleError
        The file cannot be read, or was not written by `save_model`.
    """
    parts = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for full_name in file.files:
                part, _, name = full_name.partition(".")
                parts.setdefault(part, {})[name] = file[full_name]
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ModuleError(f"{path}: not a model file: {error}") from error
    return parts
