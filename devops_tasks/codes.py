"""Every code that an error of the input can carry: what it means and how it is mended, in one table.

The reference page of the errors is made from this table, and a test holds the two and the program together. What
``check`` finds in a bundle has a table of its own, in ``checks``. Must not: finding errors.
"""

from typing import NamedTuple


class Code(NamedTuple):
    """One kind of error; ``code`` stays the same from version to version, so that a program may rely on it."""

    code: str
    subject: str
    meaning: str
    mend: str


CODES: dict[str, Code] = {
    row.code: row
    for row in (
        Code("unreadable", "Files", "A file cannot be read: it is not there, is a folder, a pipe or a device, or the "
             "system forbids it.", "Name another file, or give yourself the right to read it."),
        Code("too-large", "Files", "More than a spec can have: 1 MB, 50,000 values (an alias counts as all that it "
             "stands for) or 40 levels; or a file of a bundle has more than 20 MB.", "Shorten it."),
        Code("extends", "Files", "Files of defaults extend each other in a circle, or more than ten stand one above "
             "the other.", "Take one of the `extends` out."),
        Code("not-utf8", "Files", "A text in UTF-16, UTF-32 or an older encoding. The place is that of the first byte "
             "that is no UTF-8.", "Save the file as UTF-8."),
        Code("binary", "Files", "No text at all: an image, an archive, a program.", "Name the file of a spec."),
        Code("control-character", "Files", "A character that YAML allows nowhere; the first of each line is told.",
             "Remove it; in a quoted text it can be written as an escape."),
        Code("yaml", "YAML", "The text is no YAML: a bracket or a quote that never ends, a tab, a wrong indentation, a "
             "value that must be quoted. What stands behind it cannot be judged.", "Correct the line that is named."),
        Code("second-document", "YAML", "A line `---` begins another document.", "Keep one document in a file."),
        Code("duplicate-key", "YAML", "A key is twice in one group.", "Keep one of them."),
        Code("empty-item", "YAML", "An item of a list has no value.", "Write the value, or remove the `-`."),
        Code("empty-list", "YAML", "A list has nothing behind its key, which may mean none or what it is by default.",
             "Write its items, or `none`; `null` or no key at all is the default."),
        Code("tag", "YAML", "A tag, such as `!secret` or `!!python/object`.", "Remove it; a spec holds plain text."),
        Code("unknown-alias", "YAML", "An alias `*name` comes without an anchor `&name` before it.",
             "Quote it if it is text; otherwise correct the name."),
        Code("unknown-key", "Keys", "The spec has no such key there. The nearest one is named.",
             "Correct the key or its indentation, or remove it."),
        Code("missing-key", "Keys", "A key must be there, always or beside another one that is.", "Add it."),
        Code("invalid-key", "Keys", "The name of a map's key has another form, or is no plain word.",
             "Write it as is expected."),
        Code("wrong-type", "Keys", "A value is a list, a group or a text where another of them is expected.",
             "Write what is expected."),
        Code("invalid-value", "Keys", "A text is not of the form that its key takes, or outside of its limits.",
             "Write what is expected."),
        Code("too-few", "Keys", "A list has fewer items than it must have.", "Add one."),
        Code("too-many", "Keys", "A list has more items than make a feature.", "Leave some out."),
        Code("reserved-name", "Keys", "A name that Windows keeps for a device, such as `con` or `nul`, would be the "
             "name of a file.", "Add a word to it."),
        Code("not-built", "Keys", "The key or value belongs to the format, but this version does not build it.",
             "Use what is built so far, or leave it out."),
        Code("unknown-name", "Contradictions", "Something is named that the spec does not have: a need, a service, a "
             "metric.", "Correct the name, or add what it names."),
        Code("duplicate-name", "Contradictions", "Two things that must differ have one name, in whatever case; or two "
             "specs of one run have one slug.", "Rename one of them."),
        Code("out-of-order", "Contradictions", "What must rise does not: dates, steps, bounds, a request and its "
             "limit.", "Sort them, or correct one."),
        Code("out-of-range", "Contradictions", "A quantity of the right form with which no correct bundle can be made, "
             "such as a scrape interval of 10 minutes.", "Keep to the limits that are named."),
        Code("wrong-unit", "Contradictions", "A threshold is not in the unit of its metric, or a budget in no currency "
             "that its cloud counts in.",
             "Write it in the unit that is named."),
        Code("promql", "Contradictions", "An alert's `query` is no PromQL, or none that a rule can record: a range of "
             "samples, a text, a function that Prometheus 2.42 does not know; or it gives nothing while all is well.",
             "Correct the query."),
        Code("missing-bound", "Contradictions", "A service's `latency_buckets` lack a bound at a latency threshold, or "
             "above it.", "Add the bound, or leave the key out."),
        Code("unknown-class", "Contradictions", "An instance class that AWS has neither for PostgreSQL nor for caches. "
             "One of a family that is newer than this version's list is only a warning of `check`.",
             "Write the class that is named, or another one."),
        Code("no-version", "Contradictions", "An image without a version, or `latest`.", "Add a tag or a digest."),
        Code("contradiction", "Contradictions", "Two keys exclude each other.", "Change or remove one of them."),
        Code("policy", "Contradictions", "A value is not what a `policy` demands that the spec inherits. Where nobody "
             "has written it, the place is that of the group where it would stand.", "Write what is demanded."),
        Code("document", "Contradictions", "`new` writes the parent documents where the defaults say, and the spec "
             "says another place.", "Leave the key out."),
        Code("too-early", "Command line", "The result of an experiment is asked for before its planned date. Each look "
             "at the data is another chance to find an effect that is none.", "Come back on that date."),
        Code("usage", "Command line", "An option or argument is not of the form that it takes, or misses another one.",
             "See `devops-tasks COMMAND --help`."),
        Code("set", "Command line", "A `--set` is not `key=value`, or there is no such place in the spec.",
             "Correct the key path; lists count from 0."),
        Code("no-terminal", "Command line", "`init` or `new` cannot ask: no terminal, `CI` is set, or `--no-input` is "
             "given.", "Write the keys that are named into a file and use `generate`, or give them with `--set`."),
        Code("output", "Output", "The output folder is a file, a link, or a folder of the tool itself.",
             "Name another folder."),
        Code("link", "Output", "A file or folder of the bundle is a link on disk. Links are never followed.",
             "Remove the link."),
        Code("in-the-way", "Output", "A file is where the bundle has a folder, or a folder where it has a file.",
             "Move it aside."),
        Code("unwritable", "Output", "A folder or file cannot be written, the disk is full, or a file that would "
             "change is read-only. Nothing was changed.", "Give yourself the right to write, or name another folder."),
        Code("exists", "Output", "`init` and `new` write only where nothing is yet; or a spec cannot be edited "
             "without losing its comments.", "Name another place."),
        Code("conflict", "Output", "A person and the spec changed the same thing, or a file is in the way of which "
             "nothing is known (exit code 1).", "Make the two agree, or choose with `--conflict`."),
        Code("unfinished", "Output", "A run was killed while it put files in place (exit code 1).",
             "Run `devops-tasks generate`, which finishes or undoes it."),
        Code("pack", "Template packs", "The folder is no template pack, or a path in it cannot be one of a pack: it "
             "leaves its folder, is a link, differs from another one only in case, or is kept by Git.",
             "Name the folder of a pack, or correct what is named."),
        Code("pack-template", "Template packs", "A template of a pack cannot be rendered, computes, prints a value "
             "without the filter of its place, or makes a bundle that contradicts itself.",
             "Correct the line that is named; `devops-tasks templates check` lists all."),
        Code("pack-limit", "Template packs", "A pack has, makes or takes more than it may: files, bytes, memory, time.",
             "Make it smaller; see its loops."),
        Code("untrusted", "Template packs", "Nobody has said yes to the pack as it is now, or the file that keeps who "
             "did is damaged.", "Read its templates, then run the same with `--trust`."),
        Code("cookiecutter", "Cookiecutter templates", "The library is not installed, or the folder holds no template "
             "that can be used: links, programs, names that lead elsewhere or are taken, variables that take no such "
             "answer.", "See what is named."),
        Code("no-bundle", "Bundles", "The folder holds no bundle.", "Name the folder of one, or generate it."),
        Code("no-tasks", "Bundles", "There is no `tasks.md`, or the document has no task and no checklist.",
             "Name the folder of a bundle, or a document."),
        Code("lock", "Bundles", "`.devops-tasks/lock.json` or the journal of a killed run is damaged, of another "
             "format, or names a file outside of its folder.", "Restore it, or generate again."),
        Code("newer", "Bundles", "A newer version made the bundle.", "Use that version, or a newer one."),
    )
}  # fmt: skip
"""The table, by code, in the order in which the reference shows it."""
