"""Commands that show what is declared: settings and schemas."""

from fink_like import config
from fink_like.cli.command import DATA, command, option
from fink_like.cli.machine import settings_of


@command(DATA, example="fink-like config show", name="config show")
def show_settings(given):
    """Show each setting, its value, and where it comes from."""
    from fink_like import changes
    print("\n".join(changes.shown(config.explain(data=given.data))))


@command(DATA, example="fink-like config diff --data /data/broker", name="config diff")
def diff_settings(given):
    """Show what has changed since the jobs started, and what the change needs."""
    from fink_like import changes
    print("\n".join(changes.lines(config.load(data=given.data))))


@command(option("--survey", help="only this one"),
         option("--fields", metavar="KEY", help="all differences of one"),
         option("--json", action="store_true", help="for machines"), DATA,
         example="fink-like schemas --fields 1100")
def schemas(given):
    """List the schemas that packets may be written in: where from, and what is new in them."""
    from fink_like import schema_list
    schema_list.show(settings_of(given), given.survey, given.fields, given.json)
