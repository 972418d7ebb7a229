"""A mail server that takes mail over TLS only, from who logs in, and prints what happens as JSON, one line each."""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = b"backup", b"mail secret"


def say(**what):
    print(json.dumps(what), flush=True)


def authenticate(server, session, envelope, mechanism, given):
    is_known = isinstance(given, LoginPassword) and (given.login, given.password) == (USER, PASSWORD)
    if not is_known:
        say(refused=mechanism)
    return AuthResult(success=is_known, handled=False, auth_data="backup")


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        say(
            user=session.auth_data if session.authenticated else None,
            tls=server.transport.get_extra_info("ssl_object") is not None,
            sender=envelope.mail_from,
            receivers=envelope.rcpt_tos,
            text=envelope.content.decode(),
        )
        return "250 taken"


async def main(encryption, certificate, key):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    options = {"authenticator": authenticate, "auth_required": True}
    if encryption == "start":
        options.update(tls_context=context, require_starttls=True)
    else:
        # All of the connection is encrypted, which the protocol above it does not see.
        options.update(auth_require_tls=False)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Mailbox(), **options),
        "127.0.0.1",
        0,
        ssl=context if encryption == "immediate" else None,
    )
    say(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
