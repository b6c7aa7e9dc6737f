/// The kinds of service that a topology can name.
///
/// Ports, binds and paths are those of each project's own documentation and default configuration.
public enum ServiceCatalogue {
    /// Every kind, the AI services first.
    public static let kinds: [ServiceKind] = [
        ServiceKind(
            name: "ollama", port: 11434, wireProtocol: .http,
            probe: .get(path: "/api/version", tls: false), usualBind: .loopback, otherPorts: [],
            exposure: "Listens on loopback, until OLLAMA_HOST=0.0.0.0 opens it to everybody.",
            risks: [
                "It has no authentication: whoever reaches it can run, pull and delete models.",
                "Prompts and completions cross the wire in clear text.",
            ]),
        ServiceKind(
            name: "vllm", port: 8000, wireProtocol: .http,
            probe: .get(path: "/health", tls: false), usualBind: .any, otherPorts: [],
            exposure: "Listens on every address.",
            risks: [
                "Without --api-key anybody can spend the GPU.",
                "Prompts and completions cross the wire in clear text.",
                "The ports of distributed workers take unauthenticated objects.",
            ]),
        ServiceKind(
            name: "open-webui", port: 8080, wireProtocol: .http,
            probe: .get(path: "/health", tls: false), usualBind: .any, otherPorts: [],
            exposure:
                "Listens on every address, often published by Docker past the host's firewall.",
            risks: [
                "Passwords, session tokens and chats cross the wire in clear text.",
                "The first account that registers becomes the administrator.",
            ]),
        ServiceKind(
            name: "postgres", port: 5432, wireProtocol: .postgres, probe: .postgresSSLRequest,
            usualBind: .loopback, otherPorts: [],
            exposure: "Listens on loopback as packaged, on every address in the usual container.",
            risks: [
                "A client with the default sslmode=prefer falls back to clear text without a word.",
                "Documents and embeddings are readable by whoever sees the wire.",
            ]),
        ServiceKind(
            name: "qdrant", port: 6333, wireProtocol: .http,
            probe: .get(path: "/healthz", tls: false), usualBind: .any, otherPorts: [6334, 6335],
            exposure: "Listens on every address.",
            risks: [
                "Without an API key whoever reaches it can read and delete every collection.",
                "Embeddings can be turned back into much of the text they stand for.",
            ]),
        ServiceKind(
            name: "redis", port: 6379, wireProtocol: .redis, probe: .redisPing,
            usualBind: .loopback,
            otherPorts: [16379],
            exposure: "Listens on loopback as packaged, on every address in the usual container.",
            risks: [
                "Without a password whoever reaches it can read, write and run commands.",
                "The password itself crosses the wire in clear text.",
            ]),
        ServiceKind(
            name: "minio", port: 9000, wireProtocol: .http,
            probe: .get(path: "/minio/health/live", tls: false), usualBind: .any,
            otherPorts: [9001],
            exposure: "Listens on every address, the console too.",
            risks: [
                "Objects (weights, documents, backups) cross the wire in clear text.",
                "A console left on its default credentials gives everything away.",
            ]),
        ServiceKind(
            name: "milvus", port: 19530, wireProtocol: .grpc, probe: .connect, usualBind: .any,
            otherPorts: [9091],
            exposure: "Listens on every address.",
            risks: [
                "Authentication is off by default.",
                "Embeddings cross the wire in clear text.",
            ]),
        ServiceKind(
            name: "weaviate", port: 8080, wireProtocol: .http,
            probe: .get(path: "/v1/.well-known/ready", tls: false), usualBind: .any,
            otherPorts: [50051],
            exposure: "Listens on every address.",
            risks: [
                "Anonymous access is on in the usual compose file.",
                "Objects and embeddings cross the wire in clear text.",
            ]),
        ServiceKind(
            name: "chroma", port: 8000, wireProtocol: .http,
            probe: .get(path: "/api/v2/heartbeat", tls: false), usualBind: .loopback,
            otherPorts: [],
            exposure: "Listens on loopback when run by hand, on every address in its container.",
            risks: [
                "It has no authentication of its own by default.",
                "Documents and embeddings cross the wire in clear text.",
            ]),
        ServiceKind(
            name: "mlflow", port: 5000, wireProtocol: .http,
            probe: .get(path: "/health", tls: false), usualBind: .loopback, otherPorts: [],
            exposure: "Listens on loopback, until --host 0.0.0.0 opens it to everybody.",
            risks: [
                "It has no authentication by default: runs and models can be read and replaced.",
                "A replaced model runs code wherever it is loaded.",
            ]),
        ServiceKind(
            name: "triton", port: 8000, wireProtocol: .http,
            probe: .get(path: "/v2/health/live", tls: false), usualBind: .any,
            otherPorts: [8001, 8002],
            exposure: "Listens on every address: HTTP, gRPC and metrics.",
            risks: [
                "It has no authentication: whoever reaches it can load and unload models.",
                "Requests cross the wire in clear text.",
            ]),
        ServiceKind(
            name: "ray", port: 8265, wireProtocol: .http,
            probe: .get(path: "/api/version", tls: false), usualBind: .loopback,
            otherPorts: [6379, 10001],
            exposure: "The dashboard listens on loopback until --dashboard-host=0.0.0.0 opens it.",
            risks: ["The job API runs any code it is given, without authentication, by design."]),
        ServiceKind(
            name: "jupyter", port: 8888, wireProtocol: .http, probe: .get(path: "/api", tls: false),
            usualBind: .loopback, otherPorts: [],
            exposure: "Listens on loopback when run by hand, on every address in its containers.",
            risks: [
                "Its token crosses the wire in clear text, and it gives a shell.",
                "Notebooks and their data are readable by whoever sees the wire.",
            ]),
        ServiceKind(
            name: "nfs", port: 2049, wireProtocol: .nfs, probe: .nfsNull, usualBind: .any,
            otherPorts: [111],
            exposure: "Listens on every address; exports are told apart by the caller's address.",
            risks: [
                "With sec=sys the server believes whatever user id the caller claims.",
                "Files cross the wire in clear text.",
            ]),
        ServiceKind(
            name: "s3", port: 443, wireProtocol: .https, probe: .get(path: "/", tls: true),
            usualBind: .any, otherPorts: [],
            exposure: "An object store behind TLS.",
            risks: ["Old TLS versions or an unchecked certificate undo the encryption."]),
        ServiceKind(
            name: "https", port: 443, wireProtocol: .https, probe: .get(path: "/", tls: true),
            usualBind: .any, otherPorts: [],
            exposure: "A web service behind TLS.",
            risks: ["Old TLS versions or an unchecked certificate undo the encryption."]),
        ServiceKind(
            name: "http", port: 80, wireProtocol: .http, probe: .get(path: "/", tls: false),
            usualBind: .any, otherPorts: [],
            exposure: "A web service in clear text.",
            risks: ["Everything crosses the wire in clear text, credentials too."]),
        ServiceKind(
            name: "tcp", port: nil, wireProtocol: .tcp, probe: .connect, usualBind: .any,
            otherPorts: [],
            exposure: "Unknown: the catalogue knows nothing of what is spoken here.",
            risks: ["It is taken to be in clear text."]),
    ]

    /// The kind called `name`.
    public static func kind(_ name: String) -> ServiceKind? { byName[name] }

    private static let byName = Dictionary(
        kinds.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
}

extension Service {
    /// What the catalogue knows about this service; nil only for a kind that no checked topology has.
    public var catalogued: ServiceKind? { ServiceCatalogue.kind(kind) }
}
