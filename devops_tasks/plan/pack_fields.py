"""What template packs have asked for, as plain data: each quantity in every notation that a template may print."""

from datetime import date
from typing import Any

from devops_tasks.fields import Record, attribute
from devops_tasks.units import Duration, Money, Number, Rate, Share, Size, plain


def plan_pack_fields(fields: Any) -> dict[str, Any]:  # noqa: ANN401 - a record that only the packs know
    """Give the values of each pack by its name; what nobody has decided is None."""
    return {name: _plain(getattr(fields, attribute(name))) for name in type(fields).fields}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a field can be
    if isinstance(value, Record):
        return plan_pack_fields(value)
    if isinstance(value, Duration | Share | Rate | Number):
        return value.notations()
    if isinstance(value, Size):
        return {"text": value.text, "bytes": str(value.bytes)}
    if isinstance(value, Money):
        return {"text": value.text, "amount": plain(value.amount), "currency": value.currency}
    return value.isoformat() if isinstance(value, date) else value
