import Foundation
import SallyportCore
import SallyportGuard
import SallyportInference

/// The learned detectors' models, loaded and tested.
package struct LearnedParts: Sendable {
    package let meaning: MeaningReader
    package let guards: LearnedGuards

    package struct Mistake: Error, CustomStringConvertible {
        package let description: String
    }

    /// Loads the models and runs their self-test; seconds. nil when the operator switched them off.
    package init?(_ plan: ServerPlan.Learned) throws {
        guard plan.isEnabled else { return nil }
        let reader = try Self.reader(plan)
        let description = try plan.calibration.map { try ThresholdCalibration(file: $0).applied(to: reader.description) }
        meaning = MeaningReader(
            reader, description: description, tenantTokens: Int(Double(plan.maximumQueuedTokens) * plan.tenantShare))
        guards = LearnedGuards(description ?? reader.description)
    }

    package static func reader(_ plan: ServerPlan.Learned) throws -> some TextReader {
        try OpenVINOTextReader(directory: try modelsDirectory(plan) + "/guard", configuration: configuration(plan))
    }

    package static func embedder(_ plan: ServerPlan.Learned) throws -> some TextEmbedder {
        try OpenVINOEmbedder(directory: try modelsDirectory(plan) + "/embedding", configuration: configuration(plan))
    }

    private static func configuration(_ plan: ServerPlan.Learned) -> InferenceConfiguration {
        InferenceConfiguration(
            libraryDirectory: plan.library, workers: plan.threads, maximumQueuedTokens: plan.maximumQueuedTokens,
            maximumTokensPerCall: plan.maximumQueuedTokens, baseSeconds: Double(plan.readingBase.nanoseconds) / 1e9,
            secondsPerWindow: Double(plan.readingPerWindow.nanoseconds) / 1e9)
    }

    /// Named, or `Models` in the working directory, beside the program, or in the source tree that it was built in.
    private static func modelsDirectory(_ plan: ServerPlan.Learned) throws -> String {
        if let named = plan.modelsDirectory { return named }
        var places = ["Models"]
        if let program = Bundle.main.executableURL?.resolvingSymlinksInPath() {
            var folder = program.deletingLastPathComponent()
            places += [folder.path + "/Models", folder.deletingLastPathComponent().path + "/share/sallyport/Models"]
            for _ in 0..<4 {
                folder.deleteLastPathComponent()
                places.append(folder.path + "/Models")
            }
        }
        guard let found = places.first(where: { FileManager.default.fileExists(atPath: $0 + "/guard/manifest.json") }) else {
            throw Mistake(
                description:
                    "the learned detectors' models are not there: name their folder as guards.modelsDirectory, or switch the detectors off with guards.learned: false"
            )
        }
        return found
    }
}
