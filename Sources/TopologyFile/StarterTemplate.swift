extension TopologyFile {
    /// The starter's text, with `@MESH@` for the mesh's name. The addresses are of the documentation
    /// networks (RFC 5737), so that a starter that nobody edited reaches nobody.
    static let template = """
        # The topology of the mesh @MESH@: machines, what listens on them, and who may talk to whom.
        # Change the addresses below to yours, then:  meshproof check  |  plan  |  up  |  status
        # To try it on this machine first:            meshproof lab up && meshproof --lab up

        mesh:
          name: @MESH@                    # at most 11 characters; part of every interface's name
          network: [10.77.0.0/24, fd77:6d70::/64]   # the overlay; nodes get addresses from here and keep them
          port: 51820                     # WireGuard's UDP port; the next set of keys uses 51821, in turn
          peering: paths                  # paths: only pairs that need to talk. Also full, or { hub: NODE }
          # keepalive: 25                 # seconds; used by nodes without an endpoint
          # mtu: 1420                     # derived from the underlay when left out
          # guard: on                     # the firewall that makes this file the only way in
          # names: on                     # edge.@MESH@ and the like in the nodes' /etc/hosts
          # rotate: every 30d             # how old keys may become; carried out by `meshproof rotate --due`

        nodes:
          # connect: how this machine reaches the node to manage it; `local` or ssh://user@host:port
          # endpoint: where the other nodes reach it (UDP); leave it out where it sits behind NAT
          edge: { connect: ssh://root@192.0.2.11, endpoint: 192.0.2.11 }
          gpu:  { connect: ssh://root@192.0.2.12, endpoint: 192.0.2.12 }
          db:   { connect: ssh://root@192.0.2.13, endpoint: 192.0.2.13 }
          # A phone or an appliance runs no agent; it is handed a configuration, and a key, by
          # `meshproof peer add phone --unmanaged --qr`. Until then its peers are not told of it.
          phone: { managed: false }

        services:
          # kind gives the usual port and a harmless probe: ollama, vllm, open-webui, postgres, qdrant,
          # redis, minio, milvus, weaviate, chroma, mlflow, triton, ray, jupyter, nfs, s3, https, http, tcp
          # bind: any (default) | loopback | mesh | an address | unix:/path/to/socket
          webui:    { on: edge, kind: open-webui }
          ollama:   { on: gpu,  kind: ollama }
          postgres: { on: db,   kind: postgres, bind: loopback }

        paths:
          # Each edge is `from -> to: transport`; from is a node or a service, to is a service.
          # Transports: wireguard, ssh, tls, mtls, local (same host).
          chat:
            carries: [prompts, completions]
            edges:
              - phone -> webui: wireguard
              - webui -> ollama: wireguard
              - webui -> postgres: ssh

        # What must not be reachable; tested, not assumed.
        forbid:
          - phone -> postgres
          - phone -> ollama

        """
}
