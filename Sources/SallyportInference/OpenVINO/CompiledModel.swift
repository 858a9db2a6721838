import COpenVINO

/// A model compiled for this processor. Made once, used by every worker.
package final class CompiledModel: @unchecked Sendable {
    // SAFETY: the handle does not change after init, and OpenVINO lets several threads make requests of one compiled model. Library and
    // weights outlive it, being its own stored properties.
    let handle: OpaquePointer
    package let precision: String
    private let library: OpenVINOLibrary
    private let weights: MappedFile

    package init(library: OpenVINOLibrary, xml: MappedFile, weights: MappedFile, configuration: InferenceConfiguration) throws(ModelError) {
        switch configuration.precision {
        case .bf16, .f32: precision = configuration.precision.rawValue
        case .automatic: precision = try library.supportsBF16() ? "bf16" : "f32"
        }
        var message = sov_message()
        let threads = configuration.workers * configuration.threadsPerWorker
        let made = precision.withCString { precision in
            String(configuration.workers).withCString { streams in
                String(threads).withCString { threads in
                    sov_model_compile(
                        library.handle, xml.bytes.assumingMemoryBound(to: CChar.self).baseAddress ?? precision, xml.bytes.count,
                        weights.bytes.baseAddress ?? UnsafeRawPointer(precision), weights.bytes.count,
                        sov_settings(precision: precision, streams: streams, threads: threads), &message)
                }
            }
        }
        guard let made else { throw .engine(message.string) }
        handle = made
        self.library = library
        self.weights = weights
    }

    deinit { sov_model_free(handle) }

    /// What the engine has laid out anew need not stay in memory a second time.
    func releaseWeights() { weights.release() }
}

/// One thread's way to run a model.
package struct ModelRequest: ~Copyable {
    private let handle: OpaquePointer
    private let model: CompiledModel

    package init(_ model: CompiledModel) throws(ModelError) {
        var message = sov_message()
        guard let made = sov_request_create(model.handle, &message) else { throw .engine(message.string) }
        handle = made
        self.model = model
    }

    deinit { sov_request_free(handle) }

    /// Runs the model on rows of equal length.
    /// - Parameter inputs: names, and values that stay where they are for the call.
    package func run(_ inputs: [(name: String, values: UnsafePointer<Int32>)], rows: Int, columns: Int) throws(ModelError) {
        var message = sov_message()
        for (name, values) in inputs {
            guard sov_request_set_input(handle, name, values, Int64(rows), Int64(columns), &message) == 0 else {
                throw .engine(message.string)
            }
        }
        guard sov_request_run(handle, &message) == 0 else { throw .engine(message.string) }
    }

    /// The numbers of an output; good until the next run.
    package func output(_ name: String, count expected: Int) throws(ModelError) -> UnsafeBufferPointer<Float> {
        var message = sov_message()
        var values: UnsafePointer<Float>?
        var count = 0
        guard sov_request_output(handle, name, &values, &count, &message) == 0 else { throw .engine(message.string) }
        guard count == expected, let values else { throw .engine("output \(name) has \(count) numbers instead of \(expected)") }
        return UnsafeBufferPointer(start: values, count: count)
    }
}
