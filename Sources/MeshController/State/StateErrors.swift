import Secrets
import StateStore

extension ControllerState {
    /// Runs `body`, and says what went wrong beneath in the controller's words.
    static func translate<Value>(_ body: () throws -> Value) throws(ControllerError)
        -> Value
    {
        do { return try body() } catch {
            switch error {
            case let error as ControllerError: throw error
            case let error as StoreError: throw translated(error)
            case let error as SecretsError: throw translated(error)
            default: throw ControllerError(.state, "\(error)")
            }
        }
    }

    private static func translated(_ error: StoreError) -> ControllerError {
        let place = error.subject.isEmpty ? "" : " (\(error.subject))"
        return ControllerError(
            error.code == .inUse ? .busy : .state,
            error.code == .inUse
                ? error.message : "the controller's state: \(error.message)\(place)",
            hint: error.hint)
    }

    private static func translated(_ error: SecretsError) -> ControllerError {
        let place = error.subject.isEmpty ? "" : " (\(error.subject))"
        return ControllerError(
            .state, "\(error.operation): \(error.message)\(place)", hint: error.hint)
    }
}
