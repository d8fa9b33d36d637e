"""A session that is given up does not wait for a server that does not answer."""

import socket
import threading

import pytest

from dtaas.tds.errors import LinkError
from dtaas.tds.login import Login
from dtaas.tds.session import Encryption, Session, Target

LIMIT_S = 60.0


def test_connecting_is_broken_off() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]
        for caller in waiting:  # as many as it takes until nobody is let in any more
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        session = Session(
            Target(
                host="127.0.0.1",
                port=full.getsockname()[1],
                encryption=Encryption.NO,
                login=Login(
                    user="u",
                    password="p",
                    database="d",
                    server="s",
                    application="a",
                    packet_size=4096,
                ),
                connect_timeout_s=2 * LIMIT_S,
            )
        )
        failures: list[BaseException] = []

        def connect() -> None:
            with pytest.raises(LinkError) as caught:
                session.connect()
            failures.append(caught.value)

        connecting = threading.Thread(target=connect)
        connecting.start()
        for _ in range(int(LIMIT_S * 20)):  # it may not have come to connecting yet
            session.abort()
            connecting.join(0.05)
            if not connecting.is_alive():
                break
        assert failures
        for caller in waiting:
            caller.close()
