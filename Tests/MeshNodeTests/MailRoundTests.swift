import MeshNode
import TestSupport
import Testing

@Suite("Mailboxes are asked at once, then in turn")
struct MailRoundTests {
    @Test(
        "at the start all are; who is silent is asked again at growing intervals, then only in turn"
    )
    func start() {
        var round = MailRound()
        #expect(round.nextDue == nil)
        round.follow(["a", "b"])
        #expect(round.take(now: 100, chance: 0.5) == ["a", "b"])
        #expect(round.take(now: 100.1, chance: 0.5).isEmpty)
        round.heard("a")
        round.missed("b")
        var asked: [Double] = []
        var now = 100.1
        while now < 800 {
            now = max(now + 0.001, round.nextDue ?? now + 1)
            for name in round.take(now: now, chance: 0.5) where name == "b" {
                asked.append(now)
                round.missed("b")
            }
            round.heard("a")
        }
        #expect(asked.prefix(3).map { ($0 - 100).rounded() } == [5, 15, 35])
        // From then on it is the turn of one of the two a minute.
        let late = asked.filter { $0 > 420 }
        #expect((2...5).contains(late.count), "\(asked)")
    }

    @Test("a peer that answers holds nobody else up")
    func hostile() {
        var round = MailRound()
        round.follow(["hostile", "slow"])
        _ = round.take(now: 0, chance: 0)
        round.heard("hostile")
        round.missed("slow")
        #expect(round.take(now: 5, chance: 0) == ["slow"])
    }

    @Test("in turn, each is asked, none more than once in a while")
    func turns() {
        var round = MailRound()
        let names = Set((0..<20).map { "n\($0)" })
        round.follow(names)
        var now = 0.0
        var early: Set<String> = []
        while early.count < 20 {
            for name in round.take(now: now, chance: 0.3) {
                early.insert(name)
                round.heard(name)
            }
            now += 0.01
        }
        #expect(now < 1)
        var counts: [String: Int] = [:]
        var random = SplitMix(7)
        while now < 60 * 60 {
            now = round.nextDue ?? .infinity
            let chance = Double.random(in: 0..<1, using: &random)
            let asked = round.take(now: now, chance: chance)
            #expect(asked.count == 1)
            for name in asked {
                counts[name, default: 0] += 1
                round.heard(name)
            }
        }
        #expect(Set(counts.keys) == names)
        #expect(counts.values.allSatisfy { (2...4).contains($0) }, "\(counts)")
    }

    @Test(
        "a network that comes back has the silent ones asked again and one more, but not at every flap"
    )
    func wakes() {
        var round = MailRound()
        round.follow(["a", "b", "c"])
        _ = round.take(now: 0, chance: 0)
        round.heard("a")
        round.heard("b")
        round.missed("c")
        round.wake(at: 1)
        #expect(round.nextDue == 1)
        #expect(Set(round.take(now: 1, chance: 0)) == ["a", "c"])
        round.heard("a")
        round.heard("c")
        for flap in 0..<50 { round.wake(at: 2 + Double(flap) / 10) }
        #expect(round.take(now: 10, chance: 0).isEmpty)
        #expect(round.take(now: 11, chance: 0) == ["b"], "its turn")
    }

    @Test("a new beginning has all asked, whatever they answered")
    func begins() {
        var round = MailRound()
        round.follow(["a", "b"])
        _ = round.take(now: 0, chance: 0)
        round.heard("a")
        round.heard("b")
        round.begin(at: 20)
        #expect(round.take(now: 20, chance: 0) == ["a", "b"])
        round.heard("a")
        round.heard("b")
        #expect(round.take(now: 21, chance: 0).isEmpty)
    }

    @Test("a peer that is gone is asked no more, a new one at once")
    func follows() {
        var round = MailRound()
        round.follow(["a"])
        _ = round.take(now: 0, chance: 0)
        round.heard("a")
        round.follow(["b"])
        #expect(round.take(now: 1, chance: 0) == ["b"])
    }
}
