import ArgumentParser
import Foundation
import SallyportServer

struct CalibrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate", abstract: "Fit the learned detectors' thresholds to your own harmless texts.",
        discussion: """
            FILE holds harmless texts, one JSON object with a 'text' a line; - reads standard input. The thresholds for false-positive rates of \
            0.1, 1 and 5 % are taken from them where there are enough (1,000, 100 and 20 texts at least; ten times as many are better), \
            and written to --output, which the configuration names as guards.calibration. Take texts as your users write them, as different as \
            they are: of texts that are all alike thresholds sink so far that most others are reported.
            """)

    @Argument(help: "Harmless texts.") var file: String
    @Option(help: "The file to write.") var output: String
    @OptionGroup var model: ModelOptions

    func run() async throws {
        let reader = try model.reader()
        let lines = try LineFile.lines(of: file)
        let calibration = try await ThresholdCalibration.fitted(to: lines, reader: reader) { print($0) }
        try calibration.write(to: output)
        print("Wrote \(output). Name it as guards.calibration in the configuration.")
    }
}
