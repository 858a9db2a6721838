import ArgumentParser
import CProcess
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
        await main(nil)
    }
}
