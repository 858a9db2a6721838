import ArgumentParser
import Foundation
import SallyportServer

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Find weak settings, and say what to do about them.",
        discussion: "Exit status 0: nothing weak; 1: something is weak or bad. Notes do not count.")
    @Option(help: "The configuration file.") var config: String
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        VaultParts.keepOutOfDumps()
        let loaded = try LoadedConfiguration.required(config)
        var findings = Doctor(loaded.plan, now: Int64(Date().timeIntervalSince1970)).findings()
        findings += loaded.warnings.map { Doctor.Finding(level: .note, id: "configuration", text: $0, advice: "") }
        if json {
            print(try VaultCommand.json(findings))
        } else {
            for finding in findings.sorted(by: { $0.level > $1.level }) {
                print(
                    "\(finding.level.rawValue.padding(toLength: 5, withPad: " ", startingAt: 0)) \(finding.id): \(finding.text)\(finding.advice.isEmpty ? "" : ". \(finding.advice)")"
                )
            }
        }
        if findings.contains(where: { $0.level >= .weak }) { throw ExitCode(1) }
    }
}
