"""Somebody who has signed in to the console, without a browser."""

import base64
import json

from itsdangerous import TimestampSigner

from services.console.web.session import session_key
from services.local.supervisor import Stack


def cookie(
    stack: Stack, site: str, account: str, *, name: str = "", operator: bool = False, lifetime: float = 900,
) -> dict[str, str]:
    """The cookie of a session whose ID token lives this many seconds."""
    token = stack.issuer.identity(site, account, operator=operator, lifetime=lifetime)
    kept = base64.b64encode(json.dumps({"id_token": token, "name": name or account}).encode())
    return {"approvalflow": TimestampSigner(session_key(stack.issuer.environment()["APPROVALFLOW_ENCRYPTION_KEY"])).sign(kept).decode()}
