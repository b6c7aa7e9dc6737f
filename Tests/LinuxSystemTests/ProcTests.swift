import Glibc
import LinuxSystem
import Testing

@Suite("What /proc tells")
struct ProcTests {
    @Test("Our own socket is ours, and our namespace is inhabited")
    func survey() throws {
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let file = Descriptor(owning: number)
        let inode = try #require(FileID("/proc/self/fd/\(file.number)")?.inode)
        let survey = ProcessSurvey()
        let holder = try #require(survey.holders[inode])
        #expect(holder.pid == getpid())
        #expect(holder.text == "\(ProcessTable.name(getpid())) (pid \(getpid()))")
        let own = try #require(ProcessSurvey.ownNamespace())
        let namespace = try #require(survey.namespaces[own])
        #expect(FileID(namespace.path)?.inode == own)
        #expect(namespace.inhabitant != nil)
    }

    @Test("Lines of the socket list that make no sense are passed over")
    func lines() {
        func rows(_ line: String) -> [SocketList.Row] {
            SocketList.parse(Array(line.utf8), port: nil)
        }
        let tail = " 0A 0:0 0:0 0 0 0 4711 1"
        #expect(rows("0: 0100007F:1538 00000000:0000" + tail).map(\.localPort) == [5432])
        #expect(
            rows("0: 0100007F:1538 00000000:0000" + tail).first?.localAddress == [127, 0, 0, 1])
        #expect(rows("0: 0100007F:15380 00000000:0000" + tail).isEmpty)
        #expect(rows("0: 0100007:1538 00000000:0000" + tail).isEmpty)
        #expect(rows("0: 0100007G:1538 00000000:0000" + tail).isEmpty)
        #expect(rows("0: 0100007F1538 00000000:0000" + tail).isEmpty)
        #expect(rows("0: 0100007F:1538").isEmpty)
    }

    @Test("A link leads where it says; what is none leads nowhere")
    func links() {
        #expect(Files.target("/proc/self") == "\(getpid())")
        #expect(Files.target("/proc") == nil)
        #expect(Files.target("/nonexistent") == nil)
    }
}
