"""What Google's services share: an endpoint that gives tokens to who can sign for an account."""

import base64
import json
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .running import Handler


class TokenEndpoint:
    """An OAuth token endpoint for one service account; `uri` is set once it is served.

    https://developers.google.com/identity/protocols/oauth2/service-account#httprest
    """

    token = "token-of-the-test"

    def __init__(self) -> None:
        self.right, self.stranger = (generate_private_key(65537, 2048) for _ in range(2))
        self.calls: list[str] = []
        self.uri = ""

    def service_account(self, key: RSAPrivateKey) -> str:
        """Return the JSON of a service account, as Google's console hands it out."""
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        account = {
            "type": "service_account",
            "project_id": "test",
            "private_key_id": "1",
            "private_key": pem,
            "client_email": "ci@test.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": self.uri,
        }
        return json.dumps(account)

    def is_signed(self, assertion: str) -> bool:
        """Tell whether the account's own key signed a JSON web token."""
        signed, _, signature = assertion.rpartition(".")
        raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        try:
            self.right.public_key().verify(raw, signed.encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    def handler(self) -> type[Handler]:
        """Return the endpoint as something to serve."""
        endpoint = self

        class Tokens(Handler):
            def do_POST(self) -> None:
                assertion = parse_qs(self.body().decode())["assertion"][0]
                accepted = endpoint.is_signed(assertion)
                endpoint.calls.append("token" if accepted else "refused")
                token = {
                    "access_token": endpoint.token,
                    "expires_in": 3600,
                    "token_type": "Bearer",
                }
                refusal = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
                body = json.dumps(token if accepted else refusal).encode()
                self.answer(200 if accepted else 400, body, Content_Type="application/json")

        return Tokens
