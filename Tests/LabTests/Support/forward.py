"""Passes connections on, as a userland proxy does: forward.py ADDRESS PORT ADDRESS PORT."""

import socket, sys, threading

near, far = (sys.argv[1], int(sys.argv[2])), (sys.argv[3], int(sys.argv[4]))


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client):
    try:
        server = socket.create_connection(far, timeout=10)
    except OSError:
        return client.close()
    server.settimeout(None)
    threads = [
        threading.Thread(target=pump, args=ends) for ends in [(client, server), (server, client)]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    server.close()


family = socket.AF_INET6 if ":" in near[0] else socket.AF_INET
listener = socket.create_server(near, family=family, backlog=64)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
