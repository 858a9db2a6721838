import ArgumentParser
import SallyportServer

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Check a configuration file.", subcommands: [Check.self, Reference.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Name every mistake in a file, with its line. Exit status 0: none; 1: some.")
        @Argument(help: "The file.") var file: String

        func run() async throws {
            let (text, isGood) = LoadedConfiguration.check(file)
            print(text)
            if !isGood { throw ExitCode(1) }
        }
    }

    struct Reference: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the reference of all keys, as Markdown.")

        func run() async throws { print(ConfigurationReference.markdown, terminator: "") }
    }
}
