import LinuxSystem
import MeshModel
import Netlink

/// The sockets of the calling thread's network namespace, without the processes that have them: those are told by whoever
/// sees `/proc`.
struct NamespaceReading: Codable {
    /// The namespace's inode.
    var namespace: UInt64
    /// TCP, UDP and MPTCP.
    var sockets: [DiagSocket]
    /// Unix sockets that listen.
    var unix: [DiagUnixSocket]
    /// Names of the links there, by index.
    var links: [Int32: String]

    /// Reads all of it. *Throws:* `kernel`.
    static func take() throws(NodeError) -> NamespaceReading {
        let diagnosis = DiagConnection()
        do throws(NetlinkError) {
            let links = try RouteSocket().links()
            return NamespaceReading(
                namespace: ProcessSurvey.ownNamespace() ?? 0, sockets: try diagnosis.sockets(),
                unix: try diagnosis.unixListeners(),
                links: Dictionary(links.map { ($0.index, $0.name) }, uniquingKeysWith: { $1 }))
        } catch {
            throw NodeError(
                .kernel, error.operation, error.subject, error.description, hint: error.hint ?? "")
        }
    }

    /// The same as facts, with the processes that `survey` found.
    func facts(isOwn: Bool, _ survey: ProcessSurvey) -> NamespaceSockets {
        let all = sockets.map { (isListening: $0.isListening, fact: fact($0, survey)) }
        return NamespaceSockets(
            namespace: namespace, isOwn: isOwn,
            inhabitant: survey.namespaces[namespace]?.inhabitant?.text,
            listeners: all.filter(\.isListening).map(\.fact),
            flows: all.filter { !$0.isListening && $0.fact.remote != nil }.map(\.fact),
            unixListeners: unix.map {
                UnixSocketFact(path: $0.path, process: survey.holders[$0.inode]?.text)
            })
    }

    private func fact(_ socket: DiagSocket, _ survey: ProcessSurvey) -> SocketFact {
        let kind: SocketFact.Kind =
            switch socket.kind {
            case .tcp: .tcp
            case .udp: .udp
            case .mptcp: .mptcp
            }
        let index = socket.interfaceIndex
        return SocketFact(
            kind: kind, local: socket.local, remote: socket.remote,
            isIPv6Only: socket.isIPv6Only, isConnecting: socket.isConnecting,
            interface: index == 0 ? nil : links[index] ?? "link \(index)", mark: socket.mark,
            user: socket.user, process: survey.holders[socket.inode]?.text)
    }
}
