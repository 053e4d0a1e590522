"""SQL that finds a message's schema and datum, one expression a wire form.

Each gives a struct `FOUND`, or null if the form or the schema is not known: such a message goes
to the slow lane. `fink_like.packets.inputs.Input.form_of` and `fink_like.packets.wire` say the
same in Python.
"""

from pyspark.sql import functions as F

from fink_like.packets import inputs, wire

HEAD_BYTES = 64  # of a message; they tell container headers apart but for a rare few
FOUND = "struct<schema_key:string,start:int,around:binary,boxed:boolean>"
"""Schema key, bytes before the datum, ``sync`` if it is no container's, is it a container."""

KEY_IS_SCHEMA = (f"startswith(key, X'{inputs.JSON_BEGINS.hex()}') "
                 f"AND contains(key, X'{inputs.SCHEMA_HAS.hex()}')")


def find(source, known):
    """Column `FOUND` of messages of one input.

    Parameters
    ----------
    source : Input
    known : list of PacketSchema
        Of its survey.
    """
    if source.wire != inputs.AUTO:
        return FINDERS[source.wire](source, known)
    starts = {form: F.expr(f"startswith(head, X'{first.hex()}')") for form, first in (
        (inputs.CONTAINER, inputs.CONTAINER_BEGINS), (inputs.FRAMED, inputs.FRAME_BEGINS),
        (inputs.JSON, inputs.JSON_BEGINS))}
    return (F.when(starts[inputs.CONTAINER], _container(source, known))
            .when(F.col("brought").isNotNull(), _fink(source, known))
            .when(starts[inputs.FRAMED], _framed(source, known))
            .when(starts[inputs.JSON], _json(source, known))
            .otherwise(_bare(source, known)))


def brought_key(sources):
    """SQL of the schema key of a message whose key is its schema; null where it is not.

    Parameters
    ----------
    sources : list of (Survey, Input)
    """
    cases = [(number, source.wire) for number, (_, source) in enumerate(sources)]
    always = ", ".join(str(n) for n, form in cases if form == inputs.FINK) or "NULL"
    maybe = ", ".join(str(n) for n, form in cases if form == inputs.AUTO) or "NULL"
    digits = len(wire.header_key(b"")) - 1
    return (f"CASE WHEN input IN ({always}) OR (input IN ({maybe}) AND {KEY_IS_SCHEMA}) "
            f"THEN concat('c', left(sha2(key, 256), {digits})) END")


def _sql(condition, key, start=0, around="X''"):
    parts = (f"named_struct('schema_key', {key}, 'start', {start}, 'around', {around}, "
             "'boxed', false)")
    return F.expr(f"CASE WHEN {condition} THEN {parts} END")


def _container(source, known):
    column = F.lit(None).cast(FOUND)
    for schema in known:
        if schema.header.startswith(inputs.CONTAINER_BEGINS) and schema.codec == "null":
            head = F.startswith(F.col("head"), F.lit(bytearray(schema.header[:HEAD_BYTES])))
            starts = F.startswith(F.col("value"), F.lit(bytearray(schema.header)))
            found = F.struct(F.lit(schema.key).alias("schema_key"),
                             F.lit(len(schema.header)).alias("start"),
                             F.lit(None).cast("binary").alias("around"),
                             F.lit(True).alias("boxed"))
            column = F.when(head & starts, found).otherwise(column)
    return column


def _framed(source, known):
    number = "string(conv(hex(substring(head, 2, 4)), 16, 10))"
    key, around = number, "CAST(NULL AS binary)"
    others = {there: here for there, here in source.aliases.items() if there != here}
    if others:
        cases = " ".join(f"WHEN '{there}' THEN '{here}'" for there, here in others.items())
        key = f"CASE {number} {cases} ELSE {number} END"
        listed = ", ".join(f"'{there}'" for there in others)
        around = f"CASE WHEN {number} IN ({listed}) THEN substring(head, 1, {wire.FRAME_BYTES}) END"
    ids = ", ".join(f"'{schema.key}'" for schema in known if schema.key.isdigit()) or "NULL"
    is_frame = (f"startswith(head, X'{inputs.FRAME_BEGINS.hex()}') "
                f"AND bytes > {wire.FRAME_BYTES} AND {key} IN ({ids})")
    return _sql(is_frame, key, wire.FRAME_BYTES, around)


def _bare(source, known):
    keys = {schema.name: schema.key for schema in known if schema.name}
    if source.schema in keys:
        return _sql("bytes > 0", f"'{keys[source.schema]}'")
    column = F.lit(None).cast(FOUND)
    for text, name in reversed(source.versions.items()):
        if name in keys:
            starts = f"startswith(head, X'{wire.begins(text).hex()}')"
            column = F.coalesce(_sql(starts, f"'{keys[name]}'"), column)
    return column


def _fink(source, known):
    brought = ", ".join(f"'{schema.key}'" for schema in known
                        if schema.header.startswith(inputs.JSON_BEGINS)) or "NULL"
    return _sql(f"bytes > 0 AND brought IN ({brought})", "brought")


def _json(source, known):
    """To write JSON as Avro is the slow lane's work."""
    return F.lit(None).cast(FOUND)


FINDERS = {inputs.CONTAINER: _container, inputs.FRAMED: _framed, inputs.BARE: _bare,
           inputs.FINK: _fink, inputs.JSON: _json}
