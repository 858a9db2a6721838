import ArgumentParser
import SallyportServer

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Check a configuration file.", subcommands: [Check.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Name every mistake in a file, with its line. Exit status 0: none; 1: some.")
        @Argument(help: "The file.") var file: String

        func run() async throws {
            let (text, isGood) = CommandConfiguration.check(file)
            print(text)
            if !isGood { throw ExitCode(1) }
        }
    }
}
