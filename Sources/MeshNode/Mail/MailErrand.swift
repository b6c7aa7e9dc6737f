package import MeshModel
package import NodeProtocol

/// One peer to be asked for mail.
package struct MailErrand: Sendable, Equatable {
    /// Who is asked.
    package var node: String
    /// Where, in order.
    package var places: [SocketEndpoint]
    /// The interface to leave by, whatever routes say; nil for any, as a test has it.
    package var interface: String?
    /// What is said.
    package var call: MailCall
    /// The revision that an answer is to confirm; nil where mail is asked for.
    package var confirming: UInt64?

    /// Gathers the parts.
    package init(
        node: String, places: [SocketEndpoint], interface: String?, call: MailCall,
        confirming: UInt64?
    ) {
        self.node = node
        self.places = places
        self.interface = interface
        self.call = call
        self.confirming = confirming
    }
}

/// What came of an errand.
package struct MailReply: Sendable, Equatable {
    /// What a peer did.
    package enum Outcome: Sendable, Equatable {
        /// It could not be reached, or said something else; why.
        case silent(String)
        /// It has nothing newer.
        case nothing
        /// A sealed mail.
        case mail([UInt8])
    }

    /// The errand.
    package var errand: MailErrand
    /// What came of it.
    package var outcome: Outcome

    /// Pairs the two.
    package init(errand: MailErrand, outcome: Outcome) {
        self.errand = errand
        self.outcome = outcome
    }
}
