// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.enableUpcomingFeature("ExistentialAny")]
// For modules whose tests reach into them. Set for each and not for the whole build: whatever is open to tests cannot be optimised as a whole,
// and the libraries below need it least of all.
let testable: [SwiftSetting] = strict + [.unsafeFlags(["-enable-testing"])]

// The release binary carries Swift's runtime: a twelfth less time per request, 8 MB less memory, and no toolchain where it runs. The runtime
// would have every symbol exported, 88,000 of them, which nobody looks up: 9 MB of tables less.
let standalone: [LinkerSetting] =
    [.unsafeFlags(["-static-stdlib", "-Xlinker", "--no-export-dynamic"], .when(platforms: [.linux], configuration: .release))]
    + ["CoreFoundation", "_FoundationICU", "_FoundationCShims", "_FoundationCollections"].map {
        .linkedLibrary($0, .when(platforms: [.linux], configuration: .release))
    }

let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let embedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let posix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let http1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let http2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let tls = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let concurrency = Target.Dependency.product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let hummingbird = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let httpParts = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "sallyport",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", exact: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", exact: "1.35.2"),
    ],
    targets: [
        // The words everyone shares.
        .target(name: "SallyportCore", dependencies: [nio, concurrency, log], swiftSettings: strict),
        // Bytes: JSON with offsets and edits, SSE, multipart, paths, error bodies.
        .target(name: "SallyportWire", dependencies: ["SallyportCore", nio], swiftSettings: strict),
        // Capabilities.
        .target(name: "SallyportGuard", dependencies: ["SallyportCore", nio, concurrency, crypto], swiftSettings: testable),
        .target(
            name: "SallyportIdentity", dependencies: ["SallyportCore", nio, concurrency, crypto, cryptoExtras, x509, asn1],
            swiftSettings: testable),
        .systemLibrary(name: "CPKCS11", pkgConfig: "p11-kit-1", providers: [.apt(["libp11-kit-dev"])]),
        .target(
            name: "SallyportVault", dependencies: ["SallyportCore", "CPKCS11", concurrency, crypto, cryptoExtras],
            swiftSettings: testable),
        // Dot products of bytes, as wide as the processor has them.
        .target(name: "CVectors"),
        .target(
            name: "SallyportRetrieval", dependencies: ["SallyportCore", "CVectors", nio, concurrency, crypto], swiftSettings: testable),
        .target(
            name: "SallyportOversight", dependencies: ["SallyportCore", nio, posix, concurrency, log, crypto], swiftSettings: testable),
        // Adapters: each wraps one outside thing.
        .systemLibrary(name: "CHyperscan", pkgConfig: "libhs", providers: [.apt(["libhyperscan-dev"])]),
        .target(name: "SallyportPatterns", dependencies: ["SallyportCore", "CHyperscan", concurrency], swiftSettings: testable),
        // File formats, in a program of their own that holds no secrets, and what starts it.
        .systemLibrary(name: "CLibXML", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
        .systemLibrary(name: "CLibArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        .systemLibrary(name: "CMarkdown", pkgConfig: "libcmark-gfm", providers: [.apt(["libcmark-gfm-extensions-dev"])]),
        .target(name: "CProcess"),
        .systemLibrary(name: "CArgon2", pkgConfig: "libargon2", providers: [.apt(["libargon2-dev"])]),
        .target(name: "SallyportPasswords", dependencies: ["SallyportCore", "CArgon2"], swiftSettings: strict),
        .systemLibrary(name: "CQRencode", pkgConfig: "libqrencode", providers: [.apt(["libqrencode-dev"])]),
        .target(name: "SallyportQRCode", dependencies: ["CQRencode"], swiftSettings: strict),
        .target(name: "CMail", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
        .target(
            name: "SallyportDocuments", dependencies: ["SallyportCore", "CLibXML", "CLibArchive", "CMarkdown", "CProcess", "CMail"],
            swiftSettings: testable),
        .target(name: "SallyportSandbox", dependencies: ["SallyportCore", "CProcess", nio], swiftSettings: testable),
        .executableTarget(
            name: "sallyport-worker", dependencies: ["SallyportCore", "SallyportDocuments", "CProcess"], swiftSettings: strict,
            linkerSettings: standalone + [.linkedLibrary("swiftSynchronization", .when(platforms: [.linux], configuration: .release))]),
        .target(name: "SallyportStorage", dependencies: ["SallyportCore", grdb, concurrency, crypto], swiftSettings: testable),
        .target(name: "COpenVINO", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
        .target(
            name: "SallyportInference", dependencies: ["SallyportCore", "COpenVINO", nio, concurrency, crypto], swiftSettings: testable),
        .target(
            name: "SallyportEgress",
            dependencies: ["SallyportCore", nio, posix, http1, http2, tls, concurrency, log, crypto], swiftSettings: testable),
        // Surfaces.
        .target(
            name: "SallyportGateway",
            dependencies: [
                "SallyportCore", "SallyportWire", "SallyportGuard", "SallyportIdentity", "SallyportRetrieval", "SallyportOversight",
                nio, posix, http1, tls, concurrency, log, crypto,
            ], swiftSettings: testable),
        // Administration: routes and pages for people and their tools, where speed does not matter.
        .target(
            name: "SallyportConsole",
            dependencies: [
                "SallyportCore", "SallyportWire", "SallyportGuard", "SallyportIdentity", "SallyportOversight", "SallyportRetrieval",
                hummingbird, httpTypes, httpParts, http1, nio, posix, tls, concurrency, log, crypto,
            ], swiftSettings: testable),
        // The one place where parts are put together, and the command line.
        .target(
            name: "SallyportServer",
            dependencies: [
                "SallyportCore", "SallyportWire", "SallyportGuard", "SallyportIdentity", "SallyportRetrieval", "SallyportOversight",
                "SallyportPatterns", "SallyportInference", "SallyportStorage", "SallyportSandbox", "SallyportEgress", "SallyportGateway",
                "SallyportConsole", "SallyportPasswords", "SallyportQRCode", "SallyportVault", "CProcess", nio, posix,
                concurrency, log, crypto, yams,
            ], swiftSettings: testable),
        .executableTarget(
            name: "sallyport",
            dependencies: [
                "SallyportCore", "SallyportWire", "SallyportServer", "SallyportOversight", "SallyportStorage", "SallyportIdentity",
                "SallyportGuard", "SallyportRetrieval", "SallyportSandbox", "SallyportVault", "CProcess",
                arguments, log, nio,
            ], swiftSettings: strict, linkerSettings: standalone),
        // Fakes, contracts and fixtures; the product never imports it.
        .target(
            name: "SallyportTesting", dependencies: ["SallyportCore", nio, posix, http1, concurrency], path: "Sources/SallyportTesting",
            swiftSettings: strict),
        // Tests mirror Sources; SallyportTesting is theirs. One release build serves the binary and all of them.
        .testTarget(
            name: "SallyportWireTests", dependencies: ["SallyportCore", "SallyportWire", nio], exclude: ["Corpus"], swiftSettings: strict),
        .testTarget(
            name: "SallyportGuardTests",
            dependencies: ["SallyportCore", "SallyportPatterns", "SallyportGuard", "SallyportTesting", nio, embedded, crypto, concurrency],
            exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "SallyportPatternsTests", dependencies: ["SallyportCore", "SallyportPatterns", concurrency], swiftSettings: strict),
        .testTarget(
            name: "SallyportInferenceTests", dependencies: ["SallyportCore", "SallyportInference", nio, concurrency],
            exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "SallyportIdentityTests",
            dependencies: [
                "SallyportCore", "SallyportIdentity", "SallyportStorage", "SallyportTesting", nio, posix, concurrency, crypto, cryptoExtras,
                x509, asn1,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SallyportVaultTests", dependencies: ["SallyportCore", "SallyportVault", "SallyportStorage", crypto, concurrency],
            swiftSettings: strict),
        .testTarget(
            name: "SallyportStorageTests",
            dependencies: ["SallyportCore", "SallyportStorage", "SallyportTesting", grdb, concurrency, crypto],
            swiftSettings: strict),
        .testTarget(
            name: "SallyportOversightTests",
            dependencies: ["SallyportCore", "SallyportOversight", nio, posix, concurrency, log, crypto], swiftSettings: strict),
        .testTarget(
            name: "SallyportDocumentsTests", dependencies: ["SallyportCore", "SallyportDocuments", "CLibArchive"], exclude: ["Fixtures"],
            swiftSettings: strict),
        .testTarget(
            name: "SallyportSandboxTests", dependencies: ["SallyportCore", "SallyportSandbox", nio],
            swiftSettings: strict),
        .testTarget(
            name: "SallyportRetrievalTests",
            dependencies: ["SallyportCore", "SallyportRetrieval", "SallyportStorage", "SallyportDocuments", nio, concurrency],
            swiftSettings: strict),
        .testTarget(
            name: "SallyportEgressTests",
            dependencies: ["SallyportEgress", "SallyportCore", nio, posix, http1, http2, tls, concurrency, log], swiftSettings: strict),
        .testTarget(
            name: "SallyportGatewayTests",
            dependencies: [
                "SallyportGateway", "SallyportPatterns", "SallyportWire", "SallyportGuard", "SallyportCore", "SallyportTesting", nio, http1,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SallyportConsoleTests", dependencies: ["SallyportConsole", "SallyportCore", "SallyportIdentity", nio],
            swiftSettings: strict),
        .testTarget(
            name: "SallyportServerTests",
            dependencies: [
                "SallyportCore", "SallyportPasswords", "SallyportServer", "SallyportOversight", "SallyportStorage", nio, log,
            ],
            swiftSettings: strict),
    ]
)
