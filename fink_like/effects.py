"""What a change of a setting means for the jobs, and how it is noticed.

Each setting of `fink_like.config` declares there, with `setting`, which jobs use it and when they
take up a change; files that jobs read are listed here. A job leaves what `remember` gives in its
folder when it starts; `fink_like.changes` compares.
"""

import dataclasses
import hashlib
import os
import re
from dataclasses import field
from pathlib import Path, PurePath

JOBS = ("ingest", "science", "distribute")
NEXT_BATCH, RESTART, NEW_CHECKPOINT = "next batch", "restart", "new checkpoint"
ONLY_NEW_TOPICS, ONLY_NEW_CHECKPOINT = "new topics only", "new checkpoint only"
"""When a changed setting takes effect; the last two need nothing, and change nothing that is."""


def setting(default, note="", **effects):
    """A field of the settings, with what a change of it means for each job that uses it.

    Parameters
    ----------
    default : object
    note : str
        What Spark or Kafka really do with the change.
    **effects : str
        Job -> one of the effects above; ``every`` stands for all three.
    """
    every = effects.pop("every", None)
    effects = dict.fromkeys(JOBS, every) if every else effects
    made = {"default_factory": dict} if default == {} else {"default": default}
    return field(**made, metadata={"effects": effects, "note": note})


FILES = {
    "conf/surveys/*.yaml": setting(
        None, "ingest refuses to start if a pattern no longer takes in topics that have been read; "
        "rows that are written stay as they are", every=RESTART),
    "conf/modules.yaml": setting(None, science=RESTART, distribute=RESTART),
    "conf/filters/*.yaml": setting(
        None, "one that is invalid keeps its last good version", distribute=NEXT_BATCH),
    "schemas/*/*.yaml": setting(None, every=RESTART),
    "science_modules/*/module.py": setting(None, science=RESTART, distribute=RESTART),
    "science_modules/*/*.json": setting(None, science=RESTART),
    "science_modules/*/*.npz": setting(None, science=RESTART),
}
"""Files that jobs read, by pattern below ``root``, with what a change of them means."""


def of_file(path):
    """``effects`` and ``note`` of a file that `remember` has met."""
    return next((declared.metadata for pattern, declared in FILES.items()
                 if PurePath(path).match(pattern)), {"effects": {}, "note": ""})


SECRET = re.compile(r"(?i)password|passphrase|secret|token|credential|jaas|access[._]?key|[._]pem$")
USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+(?=@)")
HASHINGS = 100_000  # about 40 ms a secret: a short password is not found out from its hash


def plain(settings, mask=lambda text: "***"):
    """All settings by dotted name, none of them a secret.

    Parameters
    ----------
    settings : Settings
    mask : callable
        What stands for the text of a secret.

    Returns
    -------
    dict
        ``kafka.servers``, ``kafka.options.sasl.username``, ...: numbers, texts, lists.
    """
    return {name: mask(str(value)) if SECRET.search(name)
            else USER_IN_URL.sub(lambda found: mask(found[0]), value) if isinstance(value, str)
            else list(value) if isinstance(value, tuple) else value
            for name, value in flat(dataclasses.asdict(settings))}


def flat(group, prefix=""):
    """Dotted names and values of nested groups."""
    for name, value in group.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def remember(settings, salt=None):
    """What a job leaves at its start, to be compared with what is set later.

    Parameters
    ----------
    settings : Settings
    salt : str, optional
        Of an earlier one, so that equal secrets have equal hashes.

    Returns
    -------
    dict
        ``settings`` by dotted name, secrets as salted hashes; ``files``, path -> hash of the
        content; ``salt``. Plain values, for JSON.
    """
    salt = salt or os.urandom(16).hex()

    def hashed(text):
        digest = hashlib.pbkdf2_hmac("sha256", text.encode(), bytes.fromhex(salt), HASHINGS)
        return f"secret {digest.hex()[:16]}"

    root = Path(settings.root)
    paths = sorted({path for pattern in FILES for path in root.glob(pattern)})
    return {"salt": salt, "settings": plain(settings, hashed),
            "files": {str(path.relative_to(root)):
                      hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in paths}}
