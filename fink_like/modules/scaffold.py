"""A new science module: a folder that already passes its check."""

from pathlib import Path
from string import Template

from fink_like.errors import ModuleError
from fink_like.kit.registry import is_free

TEMPLATE, TRAINED = (Path(__file__).parent / name for name in ("template", "template_trained"))


def write(settings, name, trained=False):
    """Write ``science_modules/NAME`` from the template.

    Parameters
    ----------
    settings : Settings
    name : str
    trained : bool, optional
        One with a model, which `module train` makes.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ModuleError
        The name is no name for a column, or is taken.
    """
    folder = settings.modules / name
    surveys = [path.stem for path in (settings.conf / "surveys").glob("*.yaml")]
    if folder.exists():
        raise ModuleError(f"{folder} is there already")
    if not is_free(name, surveys):
        raise ModuleError(f"{name!r} cannot be a module: small letters, digits and _, and no "
                          "column or struct of the alert may have that name")
    folder.mkdir(parents=True)
    written = []
    for template in sorted((TRAINED if trained else TEMPLATE).glob("*.txt")):
        path = folder / template.stem
        path.write_text(Template(template.read_text()).substitute(name=name))
        written.append(path)
    return written
