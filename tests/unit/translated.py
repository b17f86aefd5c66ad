"""What the tests of translations share: when, where and who."""

from datetime import UTC, datetime

from services.command.domain import Translation
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.facts import PageChanged

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
SITE = "c0ffee00-site"
CALLER = Caller(channel=Channel.FORGE, environment=Environment.PRODUCTION, licence=Licence.ACTIVE, app=True)


def page(found: Translation) -> PageChanged:
    """The page of a translation that is about one."""
    assert isinstance(found.fact, PageChanged)
    return found.fact
