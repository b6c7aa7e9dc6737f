"""Carries a TCP service in clear over UDP, as a program of one's own might.

relay.py near PORT HOST:PORT   takes connections on 127.0.0.1:PORT and sends what they say to HOST:PORT
relay.py far PORT HOST:PORT    takes those datagrams on PORT and passes them on to HOST:PORT

Before what is carried there are 1900 bytes of filling, so that all of it is in a datagram's second fragment.
"""
import socket
import sys
import threading

FILLING = b"." * 1900


def near(port, target):
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        client, _ = listener.accept()
        threading.Thread(target=carry, args=(client, target), daemon=True).start()


def carry(client, target):
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.settimeout(2)
    with client, link:
        client.settimeout(2)
        try:
            link.sendto(FILLING + client.recv(600), target)
            client.sendall(link.recv(65535))
        except OSError:
            pass


def far(port, target):
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind(("0.0.0.0", port))
    while True:
        text, client = link.recvfrom(65535)
        answer = b""
        try:
            with socket.create_connection(target, timeout=2) as service:
                service.sendall(text[len(FILLING):])
                while piece := service.recv(4096):
                    answer += piece
        except OSError:
            pass
        link.sendto(answer, client)


if __name__ == "__main__":
    host, _, port = sys.argv[3].rpartition(":")
    {"near": near, "far": far}[sys.argv[1]](int(sys.argv[2]), (host, int(port)))
