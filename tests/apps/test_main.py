"""What the server does for its browsers beside Streamlit."""

import socket

from apps.main import send_at_once


def test_a_connection_taken_by_a_listening_socket_sends_at_once():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:  # as Streamlit makes its own
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        send_at_once()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
