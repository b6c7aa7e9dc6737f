/// Every command, in the order of the overview.
enum CommandTable {
    static let all: [Command] = [initialise, check, plan, up, status, down, lab]
}
