@header@
# Use it with: from aio_pika_connection import connect
# To try it: python aio_pika_connection.py
import asyncio
import os
import ssl

import aio_pika

@constants@


def key_password():
    """The password of the key, if it has one."""
    if not KEY_PASSWORD_FILE:
        return None
    with open(KEY_PASSWORD_FILE, encoding="utf-8") as file:
        return file.readline().rstrip("\r\n")


async def connect():
    """A connection that comes back by itself; the user is the name in the certificate."""
    context = ssl.create_default_context(cafile=CA_FILE)  # trusts these authorities alone, and checks the host name
    context.load_cert_chain(CERTIFICATE_FILE, KEY_FILE, key_password())
    return await aio_pika.connect_robust(
        host=HOST,
        port=PORT,
        virtualhost=VHOST,
        ssl=True,
        ssl_context=context,
        auth="external",
    )


async def main():
    connection = await connect()
    await connection.close()
    print("logged in")


if __name__ == "__main__":
    asyncio.run(main())
