"""Who is refused again and again is told of, and who only meets us while we are away is not."""

import pytest
from structlog.testing import capture_logs

from services.command.limits import Repeats
from shared.clock import now
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.reasons import Reason
from shared.problems import Refusal
from shared.tokens import Principal


@pytest.mark.parametrize(("reason", "told"), [(Reason.NOT_AN_APPROVER, [3, 6]), (Reason.RATE_LIMITED, [3, 6]), (Reason.UNAVAILABLE, [])])
def test_every_so_many_refusals_of_one_actor_are_told_of(reason: Reason, told: list[int]) -> None:
    repeats = Repeats(3, 60)
    caller = Caller(channel=Channel.FORGE, environment=Environment.PRODUCTION, licence=Licence.ACTIVE, account_id="ann")
    actors = [Principal(site, caller, "", now()) for site in ("here", "there")]
    with capture_logs() as logs:
        for actor in [actors[0]] * 7 + [actors[1]] * 2:
            with pytest.raises(Refusal), repeats.watching(actor):
                raise Refusal(reason)
    assert [(record["site_id"], record["count"]) for record in logs] == [("here", count) for count in told]
