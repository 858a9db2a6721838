import Foundation
import SallyportCore
import SallyportGuard

/// Where the indexes of protected material lie.
package enum ProtectedMaterials {
    /// The tenants' own, below the data directory.
    package static func directory(in data: String) -> String { data + "/protected" }

    /// The index that came with the product: among the models, else below the working directory or beside the build that this program
    /// comes from; nil where there is none.
    static func seed(models: String?) -> String? {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let roots = ["."] + (1...5).map { up in (0..<up).reduce(program) { url, _ in url.deletingLastPathComponent() }.path }
        let places = (models.map { [$0] } ?? []) + roots.map { $0 + "/Models" }
        return places.map { $0 + "/protected/seed.material" }.first { FileManager.default.fileExists(atPath: $0) }
    }

    static func library(_ plan: ServerPlan) throws -> MaterialLibrary {
        let library = try MaterialLibrary(
            seed: seed(models: plan.learned.modelsDirectory), directory: directory(in: plan.dataDirectory))
        try library.refresh(tenants: [.default])
        return library
    }
}
