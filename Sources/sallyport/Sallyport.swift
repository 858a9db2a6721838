import ArgumentParser
import CProcess
import Foundation
import SallyportServer

@main
struct Sallyport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sallyport",
        abstract: "A security gateway for applications built on large language models.",
        discussion:
            "Stands between applications and Azure OpenAI (or any compatible model), inspects both ways, and keeps a tamper-evident record.",
        version: ServerPlan.version,
        subcommands: [
            ServeCommand.self, ConfigCommand.self, KeysCommand.self, AccessCommand.self, ReviewsCommand.self, PrivacyCommand.self,
            PoliciesCommand.self, ProtectedCommand.self, DataCommand.self, AccountsCommand.self, LoginCommand.self, LogoutCommand.self,
            WhoAmICommand.self, CallCommand.self, VaultCommand.self, UpstreamsCommand.self, BackupCommand.self, RestoreCommand.self,
            DoctorCommand.self, AuditCommand.self, EvalCommand.self, CalibrateCommand.self,
        ])

    /// On the main thread, before another one has memory of its own: one heap for all. The gateway allows itself one for each event loop.
    @MainActor static func main() async {
        _ = process_limit_arenas(1)
        do {
            var command = try await asyncParseAsRoot(nil)
            do {
                if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
            } catch let refusal as ValidationError {
                // The call was understood; how to write it is not the question any more.
                FileHandle.standardError.write(Data("Error: \(refusal.message)\n".utf8))
                throw ExitCode.validationFailure
            }
        } catch { exit(withError: error) }
    }
}
