"""What the module commands found, written for people."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Column, Table

from fink_like.modules import SHOWN
from fink_like.vocabulary import Status

BARS = " ▁▂▃▄▅▆▇█"
BINS = 16
WORDS = 5  # values of a text output that are named


def console():
    """Where to write."""
    return Console(highlight=False, soft_wrap=True)


def checked(name, found, rules, to):
    """The rules and whether each is kept; the number of those that are not."""
    table = Table("rule", "", "", title=f"science module {name}", title_justify="left")
    for rule, meaning in rules.items():
        table.add_row(rule, "[red]broken" if found[rule] else "[green]kept",
                      found[rule] or meaning)
    to.print(table)
    broken = sum(map(bool, found.values()))
    to.print(f"{name}: {broken} of {len(rules)} rules are broken" if broken else
             f"{name} keeps all {len(rules)} rules")
    return broken


def answered(answer, rows, to):
    """Outputs of the first alerts, a histogram of each output, and who got none."""
    to.print(_first(answer, rows))
    to.print(_histograms(answer))
    statuses = Counter(answer.scores.field("status").to_pylist())
    words = ", ".join(f"{count} {Status(status).name.lower()}" for status, count
                      in sorted(statuses.items()))
    to.print(f"{answer.spec.name} {answer.spec.version}: {len(answer.scores)} alerts: {words}")
    if answer.outcome.message:
        to.print(f"first error: {answer.outcome.message}")


def _first(answer, rows):
    """A column an alert: a module may have a hundred outputs."""
    rows = min(rows, len(answer.scores))
    table = Table("", *(f"alert {row + 1}" for row in range(rows)), title="The first alerts",
                  title_justify="left")
    for name in SHOWN:
        if name in answer.alerts:
            table.add_row(name, *(str(answer.alerts[name][row].as_py()) for row in range(rows)))
    for field in answer.spec.struct.fields:
        values = answer.scores.field(field.name)
        words = [_written(values[row].as_py()) for row in range(rows)]
        if field.name == "status":
            words = [Status(values[row].as_py()).name.lower() for row in range(rows)]
        table.add_row(field.name, *words)
    return table


def _written(value):
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _histograms(answer):
    table = Table("output", "unit", "least", Column("histogram", no_wrap=True), "greatest", "null",
                  title="All of them", title_justify="left")
    for field in answer.spec.outputs:
        values = answer.scores.field(field.name)
        known = values.drop_null()
        nulls = f"{values.null_count / max(len(values), 1):.0%}"
        if pa.types.is_list(known.type):
            known = known.flatten().drop_null()
        if not len(known):
            table.add_row(field.name, field.unit, "-", "", "-", nulls)
        elif pa.types.is_string(known.type) or pa.types.is_boolean(known.type):
            table.add_row(field.name, field.unit, "", _most_common(known), "", nulls)
        else:
            numbers = known.to_numpy(zero_copy_only=False).astype(float)
            table.add_row(field.name, field.unit, _written(numbers.min()), bars(numbers),
                          _written(numbers.max()), nulls)
    return table


def _most_common(values):
    counts = Counter(pc.cast(values, pa.string()).to_pylist())
    return ", ".join(f"{value} {count}" for value, count in counts.most_common(WORDS))


def bars(numbers):
    """A histogram in one line of text."""
    counts, _ = np.histogram(numbers, BINS) if numbers.max() > numbers.min() else ([len(numbers)],
                                                                                   None)
    top = max(counts)
    return "".join(BARS[int(np.ceil(8 * count / top))] for count in counts)


def listed(modules, to):
    """One line a module, of `fink_like.modules.listing`."""
    table = Table("module", "state", "version", title="Science modules", title_justify="left")
    for name in ("us/alert", "budget", "null", "failed", "timed out", "alerts"):
        table.add_column(name, justify="right")
    for one in modules:
        fared = [] if one["rows"] is None else [
            f"{one['micros']:.0f}", f"{one['budget']:.0f}", f"{one['nulls']:.0%}",
            str(one["failed"]), str(one["timed_out"]), str(one["rows"])]
        table.add_row(one["module"], one["state"], one["version"],
                      *(fared or ["-", _budget(one), *["-"] * 4]))
    to.print(table)
    for one in modules:
        if one["message"]:
            to.print(f"{one['module']}: {one['message']}")


def _budget(one):
    return "-" if one["budget"] is None else f"{one['budget']:.0f}"


def profiled(specs, found, to):
    """Time an alert, and the functions that take it."""
    table = Table("function", "where", title="Where it goes (one run under Python's profiler, "
                  "which slows small functions most)", title_justify="left")
    for name in ("calls", "us/alert itself", "with its calls"):
        table.add_column(name, justify="right")
    for name, where, calls, own, total in found["functions"]:
        table.add_row(name, where, str(calls), f"{own:.2f}", f"{total:.2f}")
    to.print(table)
    names = ", ".join(spec.name for spec in specs)
    to.print(f"{names}: {found['micros']:.1f} us of CPU an alert (median of 7 runs of "
             f"{found['alerts']} alerts; {found['least']:.1f} to {found['most']:.1f}); the budget "
             f"of {specs[-1].name} is {specs[-1].budget:.0f}; the first run took "
             f"{found['first']:.0f}")


def columns(found, words, to):
    """Columns with all of the words in their name or meaning."""
    table = Table("column", "type", "unit", "meaning", title="Inputs of science modules",
                  title_justify="left")
    chosen = {name: field for name, field in found.items()
              if all(word.lower() in f"{name} {field.doc}".lower() for word in words)}
    for name, field in chosen.items():
        table.add_row(name, field.type, field.unit, field.doc)
    to.print(table)
    to.print(f"{len(chosen)} of {len(found)} columns")


def compared(names, agreements, to):
    """A table of all outputs, then changed verdicts with examples."""
    first, second = names
    table = Table("output", "unit", title=f"{first} and {second}", title_justify="left")
    for name in ("both", f"only {first}", f"only {second}", "equal", "median difference",
                 "scatter", "correlation"):
        table.add_column(name, justify="right")
    for one in agreements:
        numbers = (_figure(value) for value in (one.difference, one.scatter, one.correlation))
        table.add_row(one.output, one.unit, str(one.both), str(one.only_first),
                      str(one.only_second), "-" if one.equal != one.equal else f"{one.equal:.1%}",
                      *numbers)
    to.print(table)
    for one in agreements:
        for before, after, count in one.changes:
            to.print(f"{one.output}: {before} became {after}: {count} alerts")
        if one.examples:
            words = "; ".join(f"alert {alert}: {_written(a)} became {_written(b)}"
                              for alert, a, b in one.examples)
            to.print(f"{one.output}, such as {words}")


def _figure(value):
    return "-" if value != value else f"{value:.4g}"


def judged(lines, wanted, to):
    """Purity and completeness of each module."""
    for line in lines:
        shares = (f"{name} " + ("not known, n = 0" if line[name] is None else
                                "{:.2f} ({:.2f} to {:.2f})".format(*line[name]))
                  for name in ("purity", "completeness"))
        to.print(f"{line['module']}: {', '.join(shares)}; {line['positive']} positive and "
                 f"{line['wanted']} {wanted} among {line['labelled']} labelled objects")
